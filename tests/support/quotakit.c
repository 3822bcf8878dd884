#include "tests/support/quotakit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota.h"
#include "tests/support/fail_fs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

static enum gw_err faulty_view(struct backend *b, const struct backend_view *args, struct fs **out)
{
    struct faulty *y = (struct faulty *)b;
    struct fs *inner = NULL;
    enum gw_err err = backend_view_new(y->store, args, &inner);
    if (err == GW_OK)
        *out = y->view = fail_fs_new(inner);
    return err;
}

static void faulty_free(struct backend *b)
{
    (void)b;
}

static const struct backend_type faulty_type = {.view = faulty_view, .free = faulty_free};

static struct backend *backend_named(void *arg, const char *name)
{
    struct quotakit *f = arg;
    return strcmp(name, "faulty") == 0 ? &f->faulty.base : f->store;
}

int quotakit_setup(void **state)
{
    struct quotakit *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = storekit_memory(f->loop, "m", 16);
    f->raw = storekit_view(f->store, "");
    f->faulty = (struct faulty){.base = {.type = &faulty_type, .env.loop = f->loop, .refs = 1},
                                .store = f->store};
    *state = f;
    return 0;
}

int quotakit_teardown(void **state)
{
    struct quotakit *f = *state;
    fs_free(&f->fs);
    vfs_free(&f->v);
    fs_free(&f->raw);
    backend_unref(&f->store);
    loop_free(&f->loop);
    mem_free(f);
    return 0;
}

#define TEXT(s) ((char *)(uintptr_t)(s))

void quotakit_begin_on(struct quotakit *f, const char *backend, struct identity_limits limits)
{
    struct identity_mount mounts[] = {
        {.path = TEXT("/"), .backend = TEXT(backend), .prefix = TEXT("")},
        {.path = TEXT("/ro"), .backend = TEXT("m"), .prefix = TEXT("ro"), .read_only = true},
    };
    const struct identity id = {
        .user = TEXT("alice"), .home = TEXT("/"), .mounts = mounts, .nmounts = 2, .limits = limits};
    const struct vfs_env env = {.loop = f->loop, .backend = backend_named, .arg = f};
    struct gw_errmsg msg = {""};
    if (vfs_new(&env, &id, &f->v, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    f->fs = quota_new(f->v, &id, NULL);
}

void quotakit_begin(struct quotakit *f, struct identity_limits limits)
{
    quotakit_begin_on(f, "m", limits);
}

void quotakit_put_raw(struct quotakit *f, const char *path, size_t n)
{
    char text[256];
    memset(text, 'x', n);
    text[n] = '\0';
    assert_int_equal(sync_put(f->raw, path, text), GW_OK);
}

enum gw_err quotakit_put(struct quotakit *f, const char *path, size_t n)
{
    struct fs_file *file = NULL;
    uint8_t data[256] = {0};
    enum gw_err err = sync_open(f->fs, path, FS_WRITE | FS_CREATE | FS_TRUNC, &file);
    if (err != GW_OK)
        return err;
    for (size_t at = 0; at < n && err == GW_OK; at += 16)
        err = sync_write(file, at, data, n - at < 16 ? n - at : 16);
    if (err == GW_OK)
        return sync_close(&file);
    fs_abort(&file);
    return err;
}

struct usage_sum quotakit_used(struct quotakit *f)
{
    struct sync s = {.op = NULL};
    s.op = fs_statvfs(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    struct usage_sum sum = {-1, -1};
    if (s.space.blocks != UINT64_MAX)
        sum.bytes = (int64_t)(s.space.blocks - s.space.bavail);
    if (s.space.files != UINT64_MAX)
        sum.files = (int64_t)(s.space.files - s.space.favail);
    return sum;
}

int64_t quotakit_counted(void)
{
    struct usage *u = usage_open("alice\n/\nfaulty\n");
    int64_t bytes = usage_now(u).bytes;
    usage_close(&u);
    return bytes;
}

void quotakit_assert_left(struct quotakit *f, size_t bytes)
{
    if (bytes > 0)
        assert_int_equal(quotakit_put(f, "/probe", bytes), GW_OK);
    assert_int_equal(quotakit_put(f, "/probe", bytes + 1), GW_QUOTA);
    if (bytes > 0)
        assert_int_equal(sync_remove(f->fs, "/probe"), GW_OK);
}

void quotakit_set_size(struct fs_file *file, uint64_t size, enum gw_err want)
{
    const struct fs_attr attr = {.set = FS_ATTR_SIZE, .size = size};
    struct sync s = {.op = NULL};
    s.op = fs_fsetstat(file, &attr, sync_done, &s);
    assert_int_equal(sync_wait(file->fs->loop, &s), want);
}
