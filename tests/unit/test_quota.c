#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/quota.h"
#include "gateway/vfs/usage.h"
#include "tests/support/fail_fs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

/* A store whose views fail on command. */
struct faulty {
    struct backend base;
    struct backend *store;
    struct fs *view; /* the last one */
};

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

struct fixture {
    struct loop *loop;
    struct backend *store;
    struct faulty faulty; /* "faulty": the same */
    struct fs *raw;       /* the whole store, past all limits */
    struct vfs *v;
    struct fs *fs; /* with limits */
};

static struct backend *backend_named(void *arg, const char *name)
{
    struct fixture *f = arg;
    return strcmp(name, "faulty") == 0 ? &f->faulty.base : f->store;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = storekit_memory(f->loop, "m", 16);
    f->raw = storekit_view(f->store, "");
    f->faulty = (struct faulty){.base = {.type = &faulty_type, .env.loop = f->loop, .refs = 1},
                                .store = f->store};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    vfs_free(&f->v);
    fs_free(&f->raw);
    backend_unref(&f->store);
    loop_free(&f->loop);
    mem_free(f);
    return 0;
}

#define TEXT(s) ((char *)(uintptr_t)(s))

/* The tree of a user with these limits; "/ro" is read-only, and shows the store's folder `ro`. */
static void begin_on(struct fixture *f, const char *backend, struct identity_limits limits)
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

static void begin(struct fixture *f, struct identity_limits limits)
{
    begin_on(f, "m", limits);
}

static void put_raw(struct fixture *f, const char *path, size_t n)
{
    char text[256];
    memset(text, 'x', n);
    text[n] = '\0';
    assert_int_equal(sync_put(f->raw, path, text), GW_OK);
}

static enum gw_err put(struct fixture *f, const char *path, size_t n)
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

static struct usage_sum used(struct fixture *f)
{
    struct sync s = {.op = NULL};
    s.op = fs_statvfs(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    struct usage_sum sum = {-1, -1};
    if (s.space.blocks != UINT64_MAX) /* in blocks: see below */
        sum.bytes = (int64_t)(s.space.blocks - s.space.bavail);
    if (s.space.files != UINT64_MAX)
        sum.files = (int64_t)(s.space.files - s.space.favail);
    return sum;
}

/* As it is counted just now: nothing is refused, so nothing counted anew. */
static int64_t counted(void)
{
    struct usage *u = usage_open("alice\n/\nfaulty\n");
    int64_t bytes = usage_now(u).bytes;
    usage_close(&u);
    return bytes;
}

static void assert_left(struct fixture *f, size_t bytes)
{
    if (bytes > 0)
        assert_int_equal(put(f, "/probe", bytes), GW_OK);
    assert_int_equal(put(f, "/probe", bytes + 1), GW_QUOTA);
    if (bytes > 0)
        assert_int_equal(sync_remove(f->fs, "/probe"), GW_OK);
}

static void test_no_limit_no_layer(void **state)
{
    struct fixture *f = *state;
    begin(f, (struct identity_limits){.sessions = 3, .upload_kib_s = 4});
    assert_null(f->fs);
}

static void test_what_is_there_counts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sync_mkdir(f->raw, "/a"), GW_OK);
    assert_int_equal(sync_mkdir(f->raw, "/a/b"), GW_OK);
    assert_int_equal(sync_mkdir(f->raw, "/ro"), GW_OK);
    put_raw(f, "/one", 10);
    put_raw(f, "/a/two", 20);
    put_raw(f, "/a/b/three", 30);
    put_raw(f, "/ro/not", 200); /* the user can do nothing about it */
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(used(f).files, 3);
    assert_left(f, 40);
}

static void test_every_change_counts(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(put(f, "/a", 60), GW_OK);
    assert_left(f, 40);
    assert_int_equal(put(f, "/a", 101), GW_QUOTA); /* an upload that fails leaves the old one */
    assert_left(f, 40);
    assert_int_equal(put(f, "/a", 20), GW_OK);
    assert_left(f, 80);
    assert_int_equal(put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/b", "/c", 0), GW_OK);
    assert_left(f, 30);
    assert_int_equal(sync_rename(f->fs, "/a", "/c", FS_RENAME_OVERWRITE), GW_OK);
    assert_left(f, 80);
    assert_int_equal(sync_remove(f->fs, "/nothing"), GW_NOT_FOUND);
    assert_int_equal(sync_remove(f->fs, "/c"), GW_OK);
    assert_left(f, 100);
    /* Thrown away before its close. */
    assert_int_equal(sync_open(f->fs, "/d", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "0123456789", 10), GW_OK);
    assert_left(f, 90);
    fs_abort(&file);
    assert_left(f, 100);
    /* In place. */
    assert_int_equal(put(f, "/e", 10), GW_OK);
    assert_int_equal(sync_open(f->fs, "/e", FS_WRITE, &file), GW_OK);
    assert_int_equal(sync_write(file, 5, "0123456789", 10), GW_OK);
    assert_int_equal(sync_write(file, 95, "0123456789", 10), GW_QUOTA);
    fs_abort(&file);
    assert_left(f, 85);
    const struct fs_attr shorter = {.set = FS_ATTR_SIZE, .size = 1};
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 101};
    assert_int_equal(sync_setstat(f->fs, "/e", true, &shorter), GW_OK);
    assert_left(f, 99);
    assert_int_equal(sync_setstat(f->fs, "/e", true, &longer), GW_QUOTA);
    assert_left(f, 99);
}

/* Two uploads of one name: the second to be closed replaces the first. */
static void test_one_name_twice(void **state)
{
    struct fixture *f = *state;
    struct fs_file *a = NULL, *b = NULL;
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "0123456789", 10), GW_OK);
    assert_int_equal(sync_write(b, 0, "0123456789", 10), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    assert_int_equal(used(f).files, 1);
    assert_left(f, 90);
}

static void set_size(struct fs_file *file, uint64_t size, enum gw_err want)
{
    const struct fs_attr attr = {.set = FS_ATTR_SIZE, .size = size};
    struct sync s = {.op = NULL};
    s.op = fs_fsetstat(file, &attr, sync_done, &s);
    assert_int_equal(sync_wait(file->fs->loop, &s), want);
}

/* What two replace at the same moment is given back once. */
static void test_replaced_twice_at_once(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file[2] = {NULL, NULL};
    struct sync s[2] = {{.op = NULL}, {.op = NULL}};
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(put(f, "/x", 60), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_TRUNC, &file[i]), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        s[i].op = fs_close(&file[i], sync_done, &s[i]);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_wait(f->loop, &s[i]), GW_OK);
    assert_left(f, 100);
}

/* The same for files that are changed in place, by whatever name they go meanwhile. */
static void test_in_place_twice(void **state)
{
    static const char ten[10] = "0123456789";
    const struct fs_attr empty = {.set = FS_ATTR_SIZE, .size = 0};
    struct fixture *f = *state;
    struct fs_file *a = NULL, *b = NULL;
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(put(f, "/a", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &b), GW_OK);
    set_size(a, 0, GW_OK);
    set_size(b, 0, GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    assert_left(f, 100);

    for (unsigned renamed = 0; renamed < 2; renamed++) {
        assert_int_equal(put(f, "/a", 10), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &a), GW_OK);
        if (renamed)
            assert_int_equal(sync_rename(f->fs, "/a", "/b", 0), GW_OK);
        assert_int_equal(sync_setstat(f->fs, renamed ? "/b" : "/a", true, &empty), GW_OK);
        assert_int_equal(sync_write(a, 0, ten, sizeof ten), GW_OK);
        assert_int_equal(sync_close(&a), GW_OK);
        assert_left(f, 90);
    }
}

/* A file with two names counts twice, and grows under both. */
static void test_two_names(void **state)
{
    struct fixture *f = *state;
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(put(f, "/a", 0), GW_OK);
    assert_int_equal(sync_hardlink(f->fs, "/a", "/b"), GW_OK);
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 60};
    assert_int_equal(sync_setstat(f->fs, "/a", true, &longer), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/b"), GW_OK);
    assert_left(f, 40);
    assert_int_equal(used(f).files, 1);
}

/* An upload over a file that has moved away replaces nothing. */
static void test_replaced_has_moved(void **state)
{
    static const char text[60] = "";
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(put(f, "/x", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/x", "/y", 0), GW_OK);
    assert_int_equal(sync_close(&file), GW_QUOTA);
    assert_left(f, 40);
    assert_int_equal(used(f).files, 1);
}

/* A store that cannot cut a file keeps all of it. */
static void test_not_cut(void **state)
{
    static const char text[60] = "";
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    fail_fs_set(f->faulty.view, &(struct fail_fs_rule){.call = FAIL_FS_FSETSTAT,
                                                       .how = FAIL_FS_BEFORE,
                                                       .err = GW_UNSUPPORTED});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    set_size(file, 0, GW_UNSUPPORTED);
    set_size(file, 100, GW_UNSUPPORTED); /* nor is there more, then */
    assert_left(f, 40);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_left(f, 40);
}

/* Nor does one whose close fails give anything back. */
static void test_close_fails_in_place(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(put(f, "/x", 60), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){
                    .call = FAIL_FS_CLOSE, .how = FAIL_FS_BEFORE, .times = 1, .err = GW_IO});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE, &file), GW_OK);
    set_size(file, 0, GW_OK);
    assert_int_equal(sync_close(&file), GW_IO);
    assert_int_equal(counted(), 60);
}

/* The client leaves while its file is being stored: it may be there. */
static void test_close_cancelled(void **state)
{
    static const char text[60] = "";
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    struct sync s = {.op = NULL};
    begin(f, (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    s.op = fs_close(&file, sync_done, &s);
    op_cancel(&s.op);
    assert_left(f, 40);
}

/* No more is copied than was charged, however the source grows meanwhile. */
static void test_copy_of_what_grows(void **state)
{
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 50};
    struct fixture *f = *state;
    struct fs_file *from = NULL, *to = NULL;
    struct fs_attr attr;
    struct sync s = {.op = NULL};
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(put(f, "/a", 10), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){.call = FAIL_FS_COPY, .how = FAIL_FS_HOLD, .times = 1});
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &from), GW_OK);
    assert_int_equal(sync_open(f->fs, "/b", FS_WRITE | FS_CREATE | FS_TRUNC, &to), GW_OK);
    s.op = fs_copy(from, 0, 0, to, 0, sync_done, &s);
    while (fail_fs_calls(f->faulty.view, FAIL_FS_COPY) == 0)
        loop_poll(f->loop);
    assert_int_equal(sync_setstat(f->fs, "/a", true, &longer), GW_OK);
    fail_fs_release(f->faulty.view);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(sync_close(&to), GW_OK);
    assert_int_equal(sync_close(&from), GW_OK);
    assert_int_equal(sync_stat(f->raw, "/b", true, &attr), GW_OK);
    assert_int_equal(attr.size, 10);
    assert_left(f, 40);
}

static void test_files(void **state)
{
    struct fixture *f = *state;
    begin_on(f, "faulty", (struct identity_limits){.quota_files = 2}); /* "m" has no links here */
    assert_int_equal(put(f, "/a", 1), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    assert_int_equal(put(f, "/b", 0), GW_QUOTA);
    assert_int_equal(sync_symlink(f->fs, "a", "/m"), GW_QUOTA);
    assert_int_equal(put(f, "/a", 200), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/folder"), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/l"), GW_OK);
    assert_int_equal(put(f, "/b", 0), GW_OK);
    assert_int_equal(used(f).files, 2);
}

static void test_largest_file(void **state)
{
    struct fixture *f = *state;
    struct fs_attr attr;
    begin(f, (struct identity_limits){.max_file_bytes = 50});
    assert_int_equal(put(f, "/a", 50), GW_OK);
    assert_int_equal(put(f, "/a", 51), GW_TOO_LARGE);
    assert_int_equal(put(f, "/b", 51), GW_TOO_LARGE);
    assert_int_equal(sync_stat(f->raw, "/b", true, &attr), GW_NOT_FOUND);
    assert_int_equal(sync_stat(f->raw, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.size, 50);
}

/* Each of several handles that append sees what the others have. */
static void test_largest_file_by_appends(void **state)
{
    static const char ten[10] = "0123456789";
    static const uint64_t quotas[] = {0, 1000};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++) {
        const struct identity_limits limits = {.max_file_bytes = 50, .quota_bytes = quotas[i]};
        struct fs_file *a = NULL, *b = NULL, *from = NULL;
        struct sync s = {.op = NULL};
        struct fs_attr attr;
        fs_free(&f->fs);
        vfs_free(&f->v);
        begin(f, limits);
        assert_int_equal(put(f, "/a", 40), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &a), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &b), GW_OK);
        assert_int_equal(sync_write(a, 0, ten, sizeof ten), GW_OK);
        assert_int_equal(sync_write(b, 0, ten, sizeof ten), GW_TOO_LARGE);
        assert_int_equal(sync_write(a, 0, ten, 1), GW_TOO_LARGE);
        assert_int_equal(put(f, "/from", 1), GW_OK);
        assert_int_equal(sync_open(f->fs, "/from", FS_READ, &from), GW_OK);
        s.op = fs_copy(from, 0, 0, b, 0, sync_done, &s);
        assert_int_equal(sync_wait(f->loop, &s), GW_TOO_LARGE);
        assert_int_equal(sync_close(&from), GW_OK);
        assert_int_equal(sync_close(&a), GW_OK);
        assert_int_equal(sync_close(&b), GW_OK);
        assert_int_equal(sync_stat(f->raw, "/a", true, &attr), GW_OK);
        assert_int_equal(attr.size, 50);
    }
}

/* The client leaves while its append waits for the file's size. */
static void test_append_cancelled(void **state)
{
    struct fixture *f = *state;
    struct fs_file *a = NULL;
    struct sync s = {.op = NULL};
    begin(f, (struct identity_limits){.max_file_bytes = 50});
    assert_int_equal(put(f, "/a", 40), GW_OK);
    for (unsigned turns = 0; turns < 3; turns++) {
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &a), GW_OK);
        s.op = fs_write(a, 0, gw_span_of("x", 1), sync_done, &s);
        for (unsigned i = 0; i < turns && s.op != NULL; i++)
            loop_poll(f->loop);
        op_cancel(&s.op);
        fs_abort(&a);
    }
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    begin(f, (struct identity_limits){.quota_bytes = 100, .max_file_bytes = 70});
    assert_int_equal(put(f, "/a", 40), GW_OK);
    for (int i = 0; i < 2; i++) {
        struct fs_file *from = NULL, *to = NULL;
        struct sync s = {.op = NULL};
        uint64_t at = i == 0 ? 0 : 31;
        assert_int_equal(sync_open(f->fs, "/a", FS_READ, &from), GW_OK);
        assert_int_equal(sync_open(f->fs, "/b", FS_WRITE | FS_CREATE | FS_TRUNC, &to), GW_OK);
        s.op = fs_copy(from, 0, 0, to, at, sync_done, &s);
        assert_int_equal(sync_wait(f->loop, &s), i == 0 ? GW_OK : GW_TOO_LARGE);
        assert_int_equal(sync_close(&to), GW_OK);
        assert_int_equal(sync_close(&from), GW_OK);
        assert_left(f, i == 0 ? 20 : 60);
    }
}

/* A folder that cannot be listed: uploads are refused in words that say which, but where it is
 * somebody else's and nobody else may write there. */
static void test_unreadable_folder(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t uid_off, mode;
        enum gw_err list;
        const char *refused; /* NULL = counted without it */
    } rows[] = {
        {1, 0700, GW_DENIED, NULL},
        {1, 0755, GW_DENIED, NULL},
        {0, 0700, GW_DENIED, "the folder / must be readable"},
        {1, 0730, GW_DENIED, "the folder / must be readable"},
        {1, 0703, GW_DENIED, "the folder / must be readable"},
        {1, 0700, GW_UPSTREAM, "could not be counted just now"},
    };
    put_raw(f, "/hidden", 90);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_attr attr = {.set = FS_ATTR_OWNER | FS_ATTR_MODE,
                               .uid = geteuid() + rows[i].uid_off,
                               .mode = rows[i].mode};
        struct sync s = {.op = NULL};
        assert_int_equal(sync_setstat(f->raw, "/", true, &attr), GW_OK);
        begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
        fail_fs_set(f->faulty.view, &(struct fail_fs_rule){.call = FAIL_FS_OPENDIR,
                                                           .how = FAIL_FS_BEFORE,
                                                           .err = rows[i].list});
        s.op = fs_open(f->fs, "/new", FS_WRITE | FS_CREATE, NULL, sync_done, &s);
        (void)sync_wait(f->loop, &s);
        assert_int_equal(s.err, rows[i].refused == NULL ? GW_OK : GW_UPSTREAM);
        if (s.err == GW_OK)
            fs_abort(&s.file);
        if (rows[i].refused != NULL)
            assert_non_null(strstr(s.text, rows[i].refused));
        else
            assert_int_equal(put(f, "/more", 101), GW_QUOTA);
        fs_free(&f->fs);
        vfs_free(&f->v);
    }
}

/* ---- counted anew ---- */

static void drift_by_links(struct fixture *f)
{
    assert_int_equal(put(f, "/a", 50), GW_OK);
    assert_int_equal(put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/a", "/b", FS_RENAME_OVERWRITE), GW_OK);
}

static void drift_by_names(struct fixture *f)
{
    assert_int_equal(put(f, "/a", 50), GW_OK);
    assert_int_equal(sync_hardlink(f->fs, "/a", "/b"), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/a"), GW_OK);
}

static void drift_by_handles(struct fixture *f)
{
    static const char text[50] = "";
    struct fs_file *file[2] = {NULL, NULL};
    assert_int_equal(put(f, "/a", 50), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &file[i]), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_write(file[i], 0, text, sizeof text), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_close(&file[i]), GW_OK);
}

static void drift_by_others(struct fixture *f)
{
    assert_int_equal(put(f, "/a", 50), GW_OK);
    assert_int_equal(put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_remove(f->raw, "/b"), GW_OK);
}

/* Whatever was counted too much, nobody is refused for it; nor is anybody counted for again and
 * again who is refused for good reason. */
static void test_refused_by_a_new_count_only(void **state)
{
    static void (*const rows[])(struct fixture *) = {drift_by_links, drift_by_names,
                                                     drift_by_handles, drift_by_others};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
        rows[i](f);
        assert_int_equal(counted(), 100);
        assert_int_equal(put(f, "/new", 50), GW_OK);
        assert_int_equal(counted(), 100);
        unsigned listed = fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR);
        assert_int_equal(put(f, "/more", 1), GW_QUOTA);
        assert_int_equal(fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR), listed);
        fs_free(&f->fs);
        vfs_free(&f->v);
        for (const char *const *name = (const char *const[]){"/a", "/b", "/l", "/new", NULL};
             *name != NULL; name++)
            (void)sync_remove(f->raw, *name);
    }
}

/* Each that may be refused: a name, a size, a byte, a close. */
static void test_refusals(void **state)
{
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 60};
    struct fixture *f = *state;
    for (unsigned i = 0; i < 6; i++) {
        struct fs_file *file = NULL, *from = NULL;
        struct sync s = {.op = NULL};
        static const char text[60] = "";
        enum gw_err err = GW_OK;
        begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100, .quota_files = 3});
        assert_int_equal(put(f, "/a", 20), GW_OK);
        if (i == 5) {
            assert_int_equal(put(f, "/new", 60), GW_OK);
            assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_TRUNC, &file), GW_OK);
            assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
            assert_int_equal(sync_remove(f->fs, "/new"), GW_OK);
        }
        assert_int_equal(put(f, "/b", 40), GW_OK);
        assert_int_equal(put(f, "/c", i == 5 ? 20 : 40), GW_OK);
        if (i >= 2 && i < 5) {
            assert_int_equal(
                sync_open(f->fs, "/a", i == 2 ? FS_WRITE : FS_WRITE | FS_APPEND, &file), GW_OK);
            assert_int_equal(sync_open(f->fs, "/c", FS_READ, &from), GW_OK);
        }
        assert_int_equal(sync_remove(f->raw, "/b"), GW_OK); /* and nobody knows */
        if (i == 0)
            err = put(f, "/new", 20);
        else if (i == 1)
            err = sync_setstat(f->fs, "/a", true, &longer);
        else if (i == 2)
            set_size(file, 60, GW_OK);
        else if (i == 3)
            err = sync_write(file, 0, text, 40);
        else if (i == 4)
            err = sync_wait(f->loop, (s.op = fs_copy(from, 0, 0, file, 0, sync_done, &s), &s));
        else
            err = sync_close(&file);
        assert_int_equal(err, GW_OK);
        fs_abort(&file);
        fs_abort(&from);
        fs_free(&f->fs);
        vfs_free(&f->v);
        (void)sync_remove(f->raw, "/new");
        (void)sync_remove(f->raw, "/a");
        (void)sync_remove(f->raw, "/c");
    }
}

/* What is under way when it is counted anew: uploads that are not there yet count, and what is
 * there does not change under its eyes. */
static void test_counted_beside_others(void **state)
{
    static const char text[60] = "";
    struct fixture *f = *state;
    struct fs_file *up = NULL, *cut = NULL, *late = NULL;
    struct sync closing = {.op = NULL}, opening = {.op = NULL};
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 200, .quota_files = 5});
    assert_int_equal(put(f, "/cut", 60), GW_OK);
    assert_int_equal(put(f, "/a", 20), GW_OK);
    assert_int_equal(sync_open(f->fs, "/up", FS_WRITE | FS_CREATE | FS_TRUNC, &up), GW_OK);
    assert_int_equal(sync_write(up, 0, text, sizeof text), GW_OK);
    assert_int_equal(sync_open(f->fs, "/cut", FS_WRITE, &cut), GW_OK);
    set_size(cut, 0, GW_OK); /* given back when it is closed */
    assert_int_equal(sync_open(f->fs, "/late", FS_WRITE | FS_CREATE | FS_TRUNC, &late), GW_OK);
    assert_int_equal(sync_write(late, 0, text, 40), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){.call = FAIL_FS_CLOSE, .how = FAIL_FS_HOLD, .times = 1});
    closing.op = fs_close(&late, sync_done, &closing);
    unsigned listed = fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR);
    assert_int_equal(counted(), 180);
    opening.op = fs_write(up, 60, gw_span_of(text, 30), sync_done, &opening);
    for (unsigned i = 0; i < 20; i++)
        loop_poll(f->loop);
    assert_int_equal(fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR), listed); /* it waits */
    fail_fs_release(f->faulty.view);
    assert_int_equal(sync_wait(f->loop, &opening), GW_OK);
    assert_int_equal(sync_wait(f->loop, &closing), GW_OK);
    assert_int_equal(counted(), 20 + 90 + 40);
    assert_int_equal(sync_write(cut, 0, text, sizeof text), GW_QUOTA); /* it is paid for anew */
    assert_int_equal(sync_write(cut, 0, text, 50), GW_OK);
    assert_int_equal(sync_close(&cut), GW_OK);
    assert_int_equal(sync_close(&up), GW_OK);
    assert_int_equal(counted(), 20 + 90 + 40 + 50);
}

/* A close that hangs holds nobody up: what is refused goes by the last count. */
static void test_not_quiet(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    struct sync closing = {.op = NULL};
    begin_on(f, "faulty", (struct identity_limits){.quota_files = 1});
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){.call = FAIL_FS_CLOSE, .how = FAIL_FS_HOLD, .times = 1});
    closing.op = fs_close(&file, sync_done, &closing);
    assert_int_equal(put(f, "/b", 1), GW_QUOTA);
    assert_false(closing.done);
    assert_int_equal(sync_mkdir(f->fs, "/folder"), GW_OK);
    fail_fs_release(f->faulty.view);
    assert_int_equal(sync_wait(f->loop, &closing), GW_OK);
    assert_int_equal(used(f).files, 1);
}

/* A file that grows in its place is counted as far as it has come; and what is cut then is free. */
static void test_counted_in_place(void **state)
{
    static const char text[100] = "";
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    char root[PATH_MAX];
    storekit_folder(root);
    struct backend *memory = f->faulty.store;
    f->faulty.store = storekit_local(f->loop, root, false);
    struct fs *raw = storekit_view(f->faulty.store, "");
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(put(f, "/a", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, 40), GW_OK);
    assert_int_equal(sync_remove(raw, "/a"), GW_OK); /* and nobody knows */
    assert_int_equal(sync_write(file, 40, text, 40), GW_OK);
    assert_int_equal(counted(), 80);
    set_size(file, 10, GW_OK);
    assert_int_equal(sync_write(file, 10, text, 50), GW_OK);
    assert_int_equal(sync_write(file, 60, text, 41), GW_QUOTA);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(counted(), 60);
    fs_free(&raw);
    fs_free(&f->fs);
    vfs_free(&f->v);
    backend_unref(&f->faulty.store);
    f->faulty.store = memory;
    storekit_folder_remove(root);
}

/* The client leaves at any moment of it: what was known stays known. */
static void test_recount_cancelled(void **state)
{
    struct fixture *f = *state;
    for (unsigned turns = 0; turns < 30; turns++) {
        struct sync s = {.op = NULL};
        begin_on(f, "faulty", (struct identity_limits){.quota_files = 1});
        assert_int_equal(put(f, "/a", 1), GW_OK);
        s.op = fs_open(f->fs, "/b", FS_WRITE | FS_CREATE, NULL, sync_done, &s);
        for (unsigned i = 0; i < turns && !s.done; i++)
            loop_poll(f->loop);
        if (!s.done)
            op_cancel(&s.op);
        struct usage *u = usage_open("alice\n/\nfaulty\n");
        fs_free(&f->fs);
        vfs_free(&f->v);
        assert_int_equal(usage_enter(u), USAGE_KNOWN);
        usage_leave(u);
        assert_int_equal(usage_now(u).files, 1);
        usage_close(&u);
        assert_int_equal(sync_remove(f->raw, "/a"), GW_OK);
    }
}

/* A store that cannot be counted just then: the old number holds. */
static void test_recount_fails(void **state)
{
    struct fixture *f = *state;
    begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    drift_by_others(f);
    fail_fs_set(
        f->faulty.view,
        &(struct fail_fs_rule){.call = FAIL_FS_OPENDIR, .how = FAIL_FS_BEFORE, .err = GW_UPSTREAM});
    assert_int_equal(put(f, "/new", 1), GW_QUOTA);
    assert_int_equal(put(f, "/a", 10), GW_OK);
    assert_int_equal(counted(), 60);
}

/* How often: after a count that took long, the longer not. */
static void test_recount_rests(void **state)
{
    (void)state;
    struct usage *u = usage_open("dora");
    assert_false(usage_recount(u, 5)); /* it was never counted */
    assert_int_equal(usage_enter(u), USAGE_MINE);
    usage_counted(u, (struct usage_sum){90, 1}, 10);
    assert_true(usage_recount(u, 20));
    assert_false(usage_recount(u, 20));
    assert_int_equal(usage_enter(u), USAGE_OTHERS);
    usage_counted(u, (struct usage_sum){80, 1}, 5020);
    assert_false(usage_recount(u, 5020 + 49999));
    assert_true(usage_recount(u, 5020 + 50000));
    usage_counted(u, (struct usage_sum){80, 1}, 60000);
    usage_doubt(u, 75000);
    assert_false(usage_recount(u, 80000));
    usage_close(&u);
}

/* Sessions of one user count together, and once; those to come count anew when none is left. */
static void test_usage_is_shared(void **state)
{
    (void)state;
    struct usage *a = usage_open("alice"), *b = usage_open("alice"), *c = usage_open("bob");
    const struct usage_sum most = {100, 0};
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(usage_enter(a), USAGE_MINE);
    assert_int_equal(usage_enter(b), USAGE_OTHERS);
    usage_counted(a, (struct usage_sum){90, 1}, 0);
    assert_int_equal(usage_enter(b), USAGE_KNOWN);
    usage_leave(b);
    assert_true(usage_charge(b, (struct usage_sum){10, 5}, most));
    assert_false(usage_charge(a, (struct usage_sum){1, 0}, most));
    assert_true(
        usage_charge(a, (struct usage_sum){-1, 0}, most)); /* over it one may still shrink */
    assert_true(usage_charge(a, (struct usage_sum){INT64_MAX - 99, 0}, (struct usage_sum){0, 9}));
    assert_false(usage_charge(a, (struct usage_sum){1, 0}, (struct usage_sum){0, 9}));
    usage_adjust(a, (struct usage_sum){-(INT64_MAX - 99), 0});
    usage_close(&a);
    assert_int_equal(usage_now(b).bytes, 99);
    usage_close(&b);
    a = usage_open("alice");
    assert_int_equal(usage_enter(a), USAGE_MINE);
    usage_close(&a);
    usage_close(&c);
}

static void told(void *arg)
{
    (*(unsigned *)arg)++;
}

static bool is_told(void *arg)
{
    return *(unsigned *)arg > 0;
}

static void test_usage_wait(void **state)
{
    struct fixture *f = *state;
    struct usage *u = usage_open("carol");
    unsigned first = 0, second = 0;
    assert_int_equal(usage_enter(u), USAGE_MINE);
    struct op *one = usage_wait(u, f->loop, told, &first);
    struct op *two = usage_wait(u, f->loop, told, &second);
    op_cancel(&two);
    usage_uncounted(u, "why");
    char why[8];
    usage_why(u, why, sizeof why);
    assert_string_equal(why, "why");
    two = usage_wait(u, f->loop, told, &second); /* nothing to wait for: told all the same */
    op_cancel(&two);                             /* on its way already */
    assert_true(sync_until(f->loop, is_told, &first));
    (void)one;
    loop_poll(f->loop);
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    assert_int_equal(usage_enter(u), USAGE_MINE);
    usage_close(&u);
}

/* Whoever goes while it counts leaves the count to the next. */
static void test_ends_while_it_counts(void **state)
{
    struct fixture *f = *state;
    put_raw(f, "/one", 10);
    begin(f, (struct identity_limits){.quota_bytes = 100});
    fs_free(&f->fs);
    vfs_free(&f->v);
    begin(f, (struct identity_limits){.quota_bytes = 100});
    assert_left(f, 90);
}

/* Every operation, cancelled at each of its steps: nothing is charged for it afterwards. */
static void test_cancelled(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file = NULL;
    put_raw(f, "/one", 10);
    for (unsigned turns = 0; turns < 40; turns++) {
        struct sync s = {.op = NULL};
        begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 2});
        s.op = fs_open(f->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, NULL, sync_done, &s);
        for (unsigned i = 0; i < turns && !s.done; i++)
            loop_poll(f->loop);
        if (s.done)
            fs_abort(&s.file);
        else
            op_cancel(&s.op);
        assert_int_equal(used(f).files, 1);
        assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
        assert_int_equal(sync_write(file, 0, "0123456789", 10), GW_OK);
        s = (struct sync){.op = fs_close(&file, sync_done, &s)};
        for (unsigned i = 0; i < turns && !s.done; i++)
            loop_poll(f->loop);
        if (!s.done)
            op_cancel(&s.op);
        fs_free(&f->fs);
        vfs_free(&f->v);
        (void)sync_remove(f->raw, "/new");
    }
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_no_limit_no_layer),
        ROW(test_what_is_there_counts),
        ROW(test_every_change_counts),
        ROW(test_one_name_twice),
        ROW(test_replaced_twice_at_once),
        ROW(test_in_place_twice),
        ROW(test_two_names),
        ROW(test_replaced_has_moved),
        ROW(test_not_cut),
        ROW(test_close_fails_in_place),
        ROW(test_close_cancelled),
        ROW(test_copy_of_what_grows),
        ROW(test_files),
        ROW(test_largest_file),
        ROW(test_largest_file_by_appends),
        ROW(test_append_cancelled),
        ROW(test_copy),
        ROW(test_unreadable_folder),
        ROW(test_refused_by_a_new_count_only),
        ROW(test_refusals),
        ROW(test_counted_beside_others),
        ROW(test_counted_in_place),
        ROW(test_not_quiet),
        ROW(test_recount_cancelled),
        ROW(test_recount_fails),
        ROW(test_recount_rests),
        ROW(test_usage_is_shared),
        ROW(test_usage_wait),
        ROW(test_ends_while_it_counts),
        ROW(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
