/* A store on a disk: names, attributes, views, the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/local.h"
#include "tests/support/local_lab.h"
#include "tests/support/sync.h"

static void test_round_trip(void **state)
{
    struct local_lab *f = *state;
    char text[64];
    struct fs_attr attr;
    assert_int_equal(sync_put(f->fs, "/a", "hello"), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "hello");
    assert_int_equal(sync_stat(f->fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.kind, FS_KIND_REG);
    assert_int_equal(attr.size, 5);
    assert_int_equal(attr.mode, 0644);
    assert_int_equal(sync_put(f->fs, "/a", ""), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "");
    assert_int_equal(sync_get(f->fs, "/b", text, sizeof text), GW_NOT_FOUND);
    assert_int_equal(sync_put(f->fs, "/missing/b", "x"), GW_NO_PATH);
}

static void test_names(void **state)
{
    struct local_lab *f = *state;
    char text[128];
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_EXISTS);
    assert_int_equal(sync_mkdir(f->fs, "/"), GW_EXISTS);
    assert_int_equal(sync_put(f->fs, "/d/a", "A"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/b", "B"), GW_OK);
    static const struct {
        const char *from, *to;
        uint32_t flags;
        enum gw_err want;
    } rows[] = {
        {"/b", "/d/a", 0, GW_EXISTS},
        {"/missing", "/c", 0, GW_NOT_FOUND},
        {"/b", "/missing/c", 0, GW_NO_PATH},
        {"/d", "/d/sub", 0, GW_BAD_ARG},
        {"/", "/c", 0, GW_DENIED},
        {"/b", "/d", FS_RENAME_OVERWRITE, GW_IS_DIR},
        {"/b", "/c", 0, GW_OK},
        {"/c", "/d/a", FS_RENAME_OVERWRITE, GW_OK},
        {"/d", "/e", 0, GW_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sync_rename(f->fs, rows[i].from, rows[i].to, rows[i].flags), rows[i].want);
    assert_int_equal(sync_get(f->fs, "/e/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "B");
    assert_int_equal(sync_hardlink(f->fs, "/e/a", "/h"), GW_OK);
    assert_int_equal(sync_hardlink(f->fs, "/e/a", "/h"), GW_EXISTS);
    assert_int_equal(sync_rmdir(f->fs, "/e"), GW_NOT_EMPTY);
    assert_int_equal(sync_remove(f->fs, "/e"), GW_IS_DIR);
    assert_int_equal(sync_rmdir(f->fs, "/h"), GW_NOT_DIR);
    assert_int_equal(sync_remove(f->fs, "/e/a"), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/e/a"), GW_NOT_FOUND);
    assert_int_equal(sync_rmdir(f->fs, "/e"), GW_OK);
    assert_int_equal(sync_rmdir(f->fs, "/"), GW_DENIED);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "h");
    memset(text, 'x', sizeof text);
    char longest[400];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[300] = '\0';
    assert_int_equal(sync_put(f->fs, longest, "x"), GW_BAD_NAME);
    longest[256] = '\0';
    assert_int_equal(sync_put(f->fs, longest, "x"), GW_OK);
}

static void test_attributes(void **state)
{
    struct local_lab *f = *state;
    struct fs_attr attr;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    const struct fs_attr all = {
        .set = FS_ATTR_SIZE | FS_ATTR_MODE | FS_ATTR_ATIME | FS_ATTR_MTIME,
        .size = 4,
        .mode = 06750, /* setuid and setgid do not come from a network */
        .atime_s = 1000000000,
        .mtime_s = -5,
        .mtime_ns = 7,
    };
    assert_int_equal(sync_setstat(f->fs, "/a", true, &all), GW_OK);
    assert_int_equal(sync_stat(f->fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.size, 4);
    assert_int_equal(attr.mode, 0750);
    assert_int_equal(attr.atime_s, 1000000000);
    assert_int_equal(attr.mtime_s, -5);
    assert_int_equal(attr.mtime_ns, 7);
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    const struct fs_attr mode = {.set = FS_ATTR_MODE, .mode = 01770};
    assert_int_equal(sync_setstat(f->fs, "/d", false, &mode), GW_OK);
    assert_int_equal(sync_stat(f->fs, "/d", true, &attr), GW_OK);
    assert_int_equal(attr.mode, 01770);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    const struct fs_attr when = {.set = FS_ATTR_MTIME, .mtime_s = 77};
    assert_int_equal(sync_setstat(f->fs, "/l", false, &when), GW_OK);
    assert_int_equal(sync_stat(f->fs, "/l", false, &attr), GW_OK);
    assert_int_equal(attr.mtime_s, 77);
    assert_int_equal(sync_stat(f->fs, "/l", true, &attr), GW_OK);
    assert_int_equal(attr.mtime_s, -5);
    assert_int_equal(sync_setstat(f->fs, "/l", false, &mode), GW_UNSUPPORTED);
    assert_int_equal(sync_setstat(f->fs, "/none", true, &mode), GW_NOT_FOUND);
    const struct fs_attr huge = {.set = FS_ATTR_SIZE, .size = UINT64_MAX};
    assert_int_equal(sync_setstat(f->fs, "/a", true, &huge), GW_TOO_LARGE);
}

static void test_listing(void **state)
{
    struct local_lab *f = *state;
    static char text[8192];
    for (int i = 0; i < 300; i++) {
        char path[32];
        snprintf(path, sizeof path, "/root/f%03d", i);
        local_lab_put(f, path, "");
    }
    assert_int_equal(sync_list(f->fs, "/", 7, text, sizeof text), GW_OK);
    assert_int_equal(strlen(text), 300 * 5 - 1);
    assert_memory_equal(text, "f000 f001 ", 10);
    assert_int_equal(sync_list(f->fs, "/f000", 0, text, sizeof text), GW_NOT_DIR);
    assert_int_equal(sync_list(f->fs, "/none", 0, text, sizeof text), GW_NOT_FOUND);
}

static void test_prefix(void **state)
{
    struct local_lab *f = *state;
    struct fs *fs = storekit_view(f->store, "users/alice");
    char text[64];
    assert_false(local_lab_has(f, "/root/users")); /* made on first use */
    assert_int_equal(sync_put(fs, "/x", "1"), GW_OK);
    assert_true(local_lab_has(f, "/root/users/alice/x"));
    assert_int_equal(symlink("..", local_lab_disk(f, "/root/users/alice/up")), 0);
    assert_int_equal(sync_list(fs, "/up", 0, text, sizeof text), GW_DENIED);
    fs_free(&fs);

    /* A user's folder that is a link: whoever made it has no say in where the user ends. */
    assert_int_equal(symlink("alice", local_lab_disk(f, "/root/users/bob")), 0);
    fs = storekit_view(f->store, "users/bob");
    assert_int_not_equal(sync_list(fs, "/", 0, text, sizeof text), GW_OK);
    fs_free(&fs);

    const struct backend_view ro = {.prefix = "users/carol", .read_only = true};
    assert_int_equal(backend_view_new(f->store, &ro, &fs), GW_OK);
    assert_int_equal(sync_list(fs, "/", 0, text, sizeof text), GW_NOT_FOUND);
    assert_false(local_lab_has(f, "/root/users/carol"));
    fs_free(&fs);

    const struct backend_view own = {.prefix = ".gateway-upload"};
    assert_int_equal(backend_view_new(f->store, &own, &fs), GW_DENIED);
}

static void test_read_only(void **state)
{
    struct local_lab *f = *state;
    struct fs *fs;
    char text[16];
    const struct backend_view args = {.prefix = "", .read_only = true};
    const struct fs_attr mode = {.set = FS_ATTR_MODE, .mode = 0777};
    assert_int_equal(sync_put(f->fs, "/a", "x"), GW_OK);
    assert_int_equal(backend_view_new(f->store, &args, &fs), GW_OK);
    assert_int_equal(sync_get(fs, "/a", text, sizeof text), GW_OK);
    assert_int_equal(sync_put(fs, "/a", "y"), GW_READ_ONLY);
    assert_int_equal(sync_put(fs, "/b", "y"), GW_READ_ONLY);
    assert_int_equal(sync_mkdir(fs, "/d"), GW_READ_ONLY);
    assert_int_equal(sync_remove(fs, "/a"), GW_READ_ONLY);
    assert_int_equal(sync_rename(fs, "/a", "/b", 0), GW_READ_ONLY);
    assert_int_equal(sync_symlink(fs, "a", "/l"), GW_READ_ONLY);
    assert_int_equal(sync_hardlink(fs, "/a", "/h"), GW_READ_ONLY);
    assert_int_equal(sync_setstat(fs, "/a", true, &mode), GW_READ_ONLY);
    fs_free(&fs);
}

static void test_statvfs_and_probe(void **state)
{
    struct local_lab *f = *state;
    struct sync s = {.done = false};
    char text[FS_TEXT_MAX];
    s.op = fs_statvfs(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_true(s.space.blocks > 0 && s.space.namemax >= 255);
    assert_int_equal(sync_probe(f->store, text), GW_OK);
    assert_string_equal(text, "root is writable");
}

/* What is made belongs to whom the configuration says, with the modes that it says, whatever the
 * process's own umask is. */
static void test_owner_and_umask(void **state)
{
    struct local_lab *f = *state;
    const bool is_root = geteuid() == 0;
    char bits[] = "027";
    struct local_conf conf = {.root = f->root, .umask = bits, .atomic_uploads = true};
    conf.uid = is_root ? 1234 : 0;
    conf.gid = is_root ? 5678 : 0;
    const struct opt_any any = {.kind = &local_kind.opt, .conf = &conf};
    const struct backend_env env = {.loop = f->loop};
    struct backend *b;
    assert_int_equal(backend_new(&env, "owned", &any, &b, NULL), GW_OK);
    struct fs *fs = storekit_view(b, "home/bob");
    mode_t before = umask(077);
    assert_int_equal(sync_put(fs, "/file", "x"), GW_OK);
    assert_int_equal(sync_mkdir(fs, "/dir"), GW_OK);
    static const struct {
        const char *path;
        uint32_t mode;
    } rows[] = {{"/", 0750}, {"/file", 0640}, {"/dir", 0750}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_attr attr;
        assert_int_equal(sync_stat(fs, rows[i].path, true, &attr), GW_OK);
        assert_int_equal(attr.mode, rows[i].mode);
        assert_int_equal(attr.uid, is_root ? 1234 : geteuid());
        assert_int_equal(attr.gid, is_root ? 5678 : getegid());
    }
    umask(before);
    fs_free(&fs);
    backend_unref(&b);
}

/* A store that cannot be opened says why, at the start. */
static void test_refused_configuration(void **state)
{
    struct local_lab *f = *state;
    char missing[] = "/no/such/folder";
    char bits[] = "022";
    const struct local_conf conf = {.root = missing, .umask = bits};
    const struct opt_any any = {.kind = &local_kind.opt, .conf = (void *)(uintptr_t)&conf};
    const struct backend_env env = {.loop = f->loop};
    struct backend *b = NULL;
    struct gw_errmsg msg = {""};
    assert_int_equal(backend_new(&env, "bad", &any, &b, &msg), GW_CONFIG);
    assert_null(b);
    assert_non_null(strstr(msg.text, "/no/such/folder"));
}

/* A folder that is not ours to enter is no kernel that is too old. */
static void test_refused_root(void **state)
{
    struct local_lab *f = *state;
    char shut[sizeof f->top + 8];
    char bits[] = "022";
    snprintf(shut, sizeof shut, "%s/shut", f->top);
    assert_int_equal(mkdir(shut, 0), 0);
    assert_int_equal(chmod(f->top, 0755), 0);
    const struct local_conf conf = {.root = shut, .umask = bits};
    const struct opt_any any = {.kind = &local_kind.opt, .conf = (void *)(uintptr_t)&conf};
    const struct backend_env env = {.loop = f->loop};
    struct backend *b = NULL;
    struct gw_errmsg msg = {""};
    bool is_root = geteuid() == 0;
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    enum gw_err err = backend_new(&env, "shut", &any, &b, &msg);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(err, GW_CONFIG);
    assert_non_null(strstr(msg.text, "may not enter"));
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, local_lab_setup, local_lab_teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_round_trip),        ROW(test_names),           ROW(test_attributes),
        ROW(test_listing),           ROW(test_prefix),          ROW(test_read_only),
        ROW(test_statvfs_and_probe), ROW(test_owner_and_umask), ROW(test_refused_configuration),
        ROW(test_refused_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
