#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/vfs/vfs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

enum { DISK, DROPS, NSTORES };
static const char *const names[NSTORES] = {"disk", "drops"};

struct fixture {
    struct loop *loop;
    struct backend *stores[NSTORES];
    struct fs *raw[NSTORES]; /* the whole stores, past all mounts */
};

static struct backend *backend_named(void *arg, const char *name)
{
    struct fixture *f = arg;
    for (size_t i = 0; i < NSTORES; i++)
        if (strcmp(names[i], name) == 0)
            return f->stores[i];
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    for (size_t i = 0; i < NSTORES; i++) {
        f->stores[i] = storekit_memory(f->loop, names[i], 16);
        f->raw[i] = storekit_view(f->stores[i], "");
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < NSTORES; i++) {
        fs_free(&f->raw[i]);
        backend_unref(&f->stores[i]);
    }
    loop_free(&f->loop);
    mem_free(f);
    return 0;
}

/* Identities are given as tables: what a verifier says, not how it says it. */
#define MOUNT(p, b, x, ro)                                                                         \
    {                                                                                              \
        .path = (char *)(uintptr_t)(p), .backend = (char *)(uintptr_t)(b),                         \
        .prefix = (char *)(uintptr_t)(x), .read_only = (ro)                                        \
    }
#define PERM(p, x)                                                                                 \
    {                                                                                              \
        .path = (char *)(uintptr_t)(p), .perms = (x)                                               \
    }

static struct vfs *tree(struct fixture *f, const struct identity *id)
{
    const struct vfs_env env = {.loop = f->loop, .backend = backend_named, .arg = f};
    struct vfs *v = NULL;
    struct gw_errmsg msg = {""};
    if (vfs_new(&env, id, &v, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    return v;
}

static void test_one_mount_passes_through(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "alice/", false)};
    const struct identity id = {.mounts = m, .nmounts = 1};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    char text[64];
    assert_int_equal(sync_put(fs, "/a", "one"), GW_OK);
    assert_int_equal(sync_get(f->raw[DISK], "/alice/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "one");
    struct fs_file *file;
    assert_int_equal(sync_open(fs, "/a", FS_READ, &file), GW_OK);
    assert_ptr_not_equal(file->fs, fs); /* an open file costs nothing here */
    assert_int_equal(sync_close(&file), GW_OK);
    assert_true((vfs_fs(v)->caps & FS_CAP_RANDOM_WRITE) != 0);
    assert_string_equal(vfs_home(v), "/");
    vfs_free(&v);
}

static void test_nested_mounts(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {
        MOUNT("/", "disk", "", false),
        MOUNT("/in/deep/drops", "drops", "p", false),
        MOUNT("/in/archive", "drops", "q", true),
    };
    const struct identity id = {.mounts = m, .nmounts = 3};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    char text[256];
    struct fs_attr attr;
    assert_int_equal(sync_put(fs, "/file", "x"), GW_OK);
    assert_int_equal(sync_list(fs, "/", 1, text, sizeof text), GW_OK);
    assert_string_equal(text, "file in/"); /* "in" is in no store, and yet it is there */
    assert_int_equal(sync_stat(fs, "/in/deep", true, &attr), GW_OK);
    assert_int_equal(attr.kind, FS_KIND_DIR);
    assert_int_equal(sync_list(fs, "/in", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "archive/ deep/");

    /* A store's own folder of that name is merged, and what the mount hides is hidden. */
    assert_int_equal(sync_mkdir(f->raw[DISK], "/in"), GW_OK);
    assert_int_equal(sync_put(f->raw[DISK], "/in/own", "x"), GW_OK);
    assert_int_equal(sync_put(f->raw[DISK], "/in/archive", "hidden"), GW_OK);
    assert_int_equal(sync_list(fs, "/in", 1, text, sizeof text), GW_OK);
    assert_string_equal(text, "archive/ deep/ own");
    assert_int_equal(sync_stat(fs, "/in/archive", true, &attr), GW_OK);
    assert_int_equal(attr.kind, FS_KIND_DIR);

    assert_int_equal(sync_put(fs, "/in/deep/drops/x", "y"), GW_OK);
    assert_int_equal(sync_stat(f->raw[DROPS], "/p/x", true, NULL), GW_OK);
    assert_int_equal(sync_put(fs, "/in/archive/x", "y"), GW_READ_ONLY);
    assert_int_equal(sync_put(fs, "/in/deep", "y"), GW_IS_DIR);
    assert_int_equal(sync_stat(fs, "/in/missing", true, NULL), GW_NOT_FOUND);
    vfs_free(&v);
}

static void test_no_root_mount(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/a/b", "disk", "", false),
                                 MOUNT("/a/c", "drops", "", false)};
    const struct identity id = {.mounts = m, .nmounts = 2};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    char text[64];
    assert_int_equal(sync_list(fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "a/");
    assert_int_equal(sync_list(fs, "/a", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "b/ c/");
    assert_int_equal(sync_stat(fs, "/x", true, NULL), GW_NOT_FOUND);
    assert_int_equal(sync_mkdir(fs, "/x"), GW_READ_ONLY);
    assert_int_equal(sync_mkdir(fs, "/a"), GW_EXISTS);
    assert_int_equal(sync_put(fs, "/x", "y"), GW_NOT_FOUND);
    assert_int_equal(vfs_permitted(v, "/x", PERM_UPLOAD, NULL), GW_READ_ONLY);
    assert_int_equal(vfs_permitted(v, "/", PERM_LIST, NULL), GW_OK);
    vfs_free(&v);
}

static void test_what_stays_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "", false),
                                 MOUNT("/in/drops", "drops", "", false)};
    const struct identity id = {.mounts = m, .nmounts = 2};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    assert_int_equal(sync_mkdir(f->raw[DISK], "/in"), GW_OK);
    assert_int_equal(sync_put(fs, "/file", "x"), GW_OK);
    static const struct {
        const char *from, *to;
        enum gw_err want;
    } rows[] = {
        {"/file", "/in/drops/file", GW_UNSUPPORTED},
        {"/in/drops", "/y", GW_DENIED},
        {"/in", "/y", GW_DENIED},
        {"/", "/y", GW_DENIED},
        {"/file", "/in/drops", GW_DENIED},
        {"/missing", "/y", GW_NOT_FOUND},
        {"/file", "/in/other", GW_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sync_rename(fs, rows[i].from, rows[i].to, 0), rows[i].want);
    assert_int_equal(sync_hardlink(fs, "/in/other", "/in/drops/x"), GW_UNSUPPORTED);
    assert_int_equal(sync_rmdir(fs, "/in/drops"), GW_DENIED);
    assert_int_equal(sync_rmdir(fs, "/in"), GW_DENIED);
    struct sync s = {.done = false};
    s.op = fs_rename(fs, "/in/other", "/in/drops/other", 0, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_UNSUPPORTED);
    assert_non_null(strstr(s.text, "different stores"));
    vfs_free(&v);
}

static void test_links(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "", false), MOUNT("/m", "drops", "", false)};
    const struct identity id = {.mounts = m, .nmounts = 2};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    char text[FS_PATH_MAX];
    assert_int_equal(sync_put(fs, "/m/file", "inside"), GW_OK);
    assert_int_equal(sync_symlink(fs, "/m/file", "/m/link"), GW_OK);
    assert_int_equal(sync_readlink(fs, "/m/link", text), GW_OK);
    assert_string_equal(text, "/m/file"); /* as the client sees it */
    assert_int_equal(sync_get(fs, "/m/link", text, sizeof text), GW_OK);
    assert_string_equal(text, "inside");
    assert_int_equal(sync_symlink(fs, "/file", "/m/out"), GW_UNSUPPORTED);
    assert_int_equal(sync_symlink(fs, "/m/../file", "/m/out"), GW_UNSUPPORTED);
    vfs_free(&v);
}

/* The same files lie below the one mount and the other: no link leads around the second. */
static void test_links_around_read_only(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *store, *prefix;
        bool read_only;
        enum gw_err want;
    } rows[] = {
        {"disk", "home/ro", false, GW_OK},        {"disk", "home/ro", true, GW_DENIED},
        {"disk", "home/ro/sub", true, GW_DENIED}, {"disk", "", true, GW_DENIED},
        {"disk", "home/r", true, GW_OK}, /* which "/r" can change */
        {"disk", "home/roo", true, GW_OK},        {"drops", "home/ro", true, GW_OK},
    };
    static const char *const targets[] = {"/", ".", "/ro", "ro"};
    assert_int_equal(sync_mkdir(f->raw[DISK], "/home"), GW_OK);
    assert_int_equal(sync_mkdir(f->raw[DISK], "/home/ro"), GW_OK);
    assert_int_equal(sync_put(f->raw[DISK], "/home/ro/file", "old"), GW_OK);
    assert_int_equal(sync_symlink(f->raw[DISK], "ro", "/home/planted"), GW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct identity_mount m[] = {
            MOUNT("/", "disk", "home", false),
            MOUNT("/ro", rows[i].store, rows[i].prefix, rows[i].read_only)};
        const struct identity id = {.mounts = m, .nmounts = 2};
        struct vfs *v = tree(f, &id);
        struct fs *fs = vfs_fs(v);
        assert_int_equal(sync_put(fs, "/planted/file", "new"), rows[i].want);
        for (size_t k = 0; k < sizeof targets / sizeof targets[0]; k++) {
            assert_int_equal(sync_symlink(fs, targets[k], "/link"), rows[i].want);
            (void)sync_remove(f->raw[DISK], "/home/link");
        }
        vfs_free(&v);
    }
}

static void test_permissions(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "", false), MOUNT("/ro", "drops", "", true)};
    struct identity_perm p[] = {
        PERM("/", PERM_ALL),
        PERM("/in", PERM_LIST | PERM_UPLOAD),
        PERM("/in/out", PERM_LIST | PERM_DOWNLOAD | PERM_DELETE_FILES),
    };
    const struct identity id = {.mounts = m, .nmounts = 2, .perms = p, .nperms = 3};
    struct vfs *v = tree(f, &id);
    static const struct {
        const char *path;
        uint32_t perms;
        enum gw_err want;
    } rows[] = {
        {"/x", PERM_UPLOAD | PERM_OVERWRITE, GW_OK},
        {"/in/x", PERM_UPLOAD, GW_OK},
        {"/in/x", PERM_UPLOAD | PERM_OVERWRITE, GW_DENIED},
        {"/in/x", PERM_DOWNLOAD, GW_DENIED},
        {"/inx", PERM_DOWNLOAD, GW_OK},
        {"/in/out/x", PERM_DOWNLOAD, GW_OK},
        {"/in/out/x", PERM_UPLOAD, GW_DENIED},
        {"/ro/x", PERM_DOWNLOAD | PERM_LIST, GW_OK},
        {"/ro/x", PERM_UPLOAD, GW_READ_ONLY},
        {"/ro", PERM_CHMOD, GW_READ_ONLY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(vfs_permitted(v, rows[i].path, rows[i].perms, NULL), rows[i].want);

    /* No second name leads around them. */
    struct fs *fs = vfs_fs(v);
    assert_int_equal(sync_mkdir(f->raw[DISK], "/in"), GW_OK);
    assert_int_equal(sync_put(f->raw[DISK], "/in/secret", "s"), GW_OK);
    assert_int_equal(sync_symlink(f->raw[DISK], "in/secret", "/planted"), GW_OK);
    char text[16];
    assert_int_equal(sync_get(fs, "/planted", text, sizeof text), GW_DENIED);
    assert_int_equal(sync_symlink(fs, "in/secret", "/mine"), GW_DENIED);
    assert_int_equal(sync_hardlink(fs, "/in/secret", "/mine"), GW_DENIED);
    assert_int_equal(sync_rename(fs, "/in", "/mine", 0), GW_DENIED);
    vfs_free(&v);
}

static void test_permissions_without_root(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "", false)};
    struct identity_perm p[] = {PERM("/in", PERM_ALL)};
    const struct identity id = {.mounts = m, .nmounts = 1, .perms = p, .nperms = 1};
    struct vfs *v = tree(f, &id);
    const char *why = NULL;
    assert_int_equal(vfs_permitted(v, "/", PERM_LIST, &why), GW_DENIED);
    assert_non_null(strstr(why, "permissions")); /* not the disk's "permission denied" */
    assert_int_equal(vfs_permitted(v, "/in/x", PERM_LIST, NULL), GW_OK);
    assert_int_equal(sync_mkdir(f->raw[DISK], "/in"), GW_OK);
    assert_int_equal(sync_put(f->raw[DISK], "/secret", "s"), GW_OK);
    assert_int_equal(sync_symlink(f->raw[DISK], "/secret", "/in/link"), GW_OK);
    char text[16];
    assert_int_equal(sync_get(vfs_fs(v), "/in/link", text, sizeof text), GW_DENIED);
    vfs_free(&v);
}

static void test_confined_to_home(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {
        MOUNT("/", "disk", "base", false),
        MOUNT("/home/alice/drops", "drops", "", false),
        MOUNT("/other", "drops", "", false),
    };
    char home[] = "/home/alice/";
    const struct identity id = {.mounts = m, .nmounts = 3, .home = home, .restrict_to_home = true};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    char text[64];
    assert_string_equal(vfs_home(v), "/home/alice");
    assert_int_equal(sync_put(f->raw[DISK], "/base/secret", "s"), GW_OK);
    assert_int_equal(sync_put(fs, "/home/alice/x", "y"), GW_OK);
    assert_int_equal(sync_stat(f->raw[DISK], "/base/home/alice/x", true, NULL), GW_OK);
    assert_int_equal(sync_stat(fs, "/secret", true, NULL), GW_NOT_FOUND);
    assert_int_equal(sync_stat(fs, "/other", true, NULL), GW_NOT_FOUND);
    assert_int_equal(sync_list(fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "home/");
    assert_int_equal(sync_list(fs, "/home/alice", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "drops/ x");
    assert_int_equal(sync_symlink(f->raw[DISK], "../../secret", "/base/home/alice/l"), GW_OK);
    assert_int_equal(sync_get(fs, "/home/alice/l", text, sizeof text), GW_NOT_FOUND);
    vfs_free(&v);
}

static void test_refused_identities(void **state)
{
    struct fixture *f = *state;
    struct identity_mount unknown[] = {MOUNT("/", "nope", "", false)};
    struct identity_mount twice[] = {MOUNT("/a", "disk", "", false),
                                     MOUNT("/a/", "drops", "", false)};
    struct identity_mount bad[] = {MOUNT("/\xff", "disk", "", false)};
    struct identity_mount elsewhere[] = {MOUNT("/a", "disk", "", false)};
    char home[] = "/b";
    const struct {
        struct identity id;
        const char *word;
    } rows[] = {
        {{.nmounts = 0}, "none"},
        {{.mounts = unknown, .nmounts = 1}, "nope"},
        {{.mounts = twice, .nmounts = 2}, "twice"},
        {{.mounts = bad, .nmounts = 1}, "not a path"},
        {{.mounts = elsewhere, .nmounts = 1, .home = home, .restrict_to_home = true}, "/b"},
    };
    const struct vfs_env env = {.loop = f->loop, .backend = backend_named, .arg = f};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vfs *v = NULL;
        struct gw_errmsg msg = {""};
        assert_int_equal(vfs_new(&env, &rows[i].id, &v, &msg), GW_CONFIG);
        assert_null(v);
        assert_non_null(strstr(msg.text, rows[i].word));
    }
}

/* The prefix of a mount cannot be left, however it is written. */
static void test_prefix_is_normal(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "../../users//./bob/../alice/", false)};
    const struct identity id = {.mounts = m, .nmounts = 1};
    struct vfs *v = tree(f, &id);
    assert_int_equal(sync_put(vfs_fs(v), "/x", "y"), GW_OK);
    assert_int_equal(sync_stat(f->raw[DISK], "/users/alice/x", true, NULL), GW_OK);
    vfs_free(&v);
}

/* Cancelled at once, and after each turn that an operation takes: done never runs. */
static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct identity_mount m[] = {MOUNT("/", "disk", "", false), MOUNT("/in/m", "drops", "", false)};
    const struct identity id = {.mounts = m, .nmounts = 2};
    struct vfs *v = tree(f, &id);
    struct fs *fs = vfs_fs(v);
    for (int turns = 0; turns < 3; turns++) {
        struct sync s[4] = {{.done = false}};
        s[0].op = fs_stat(fs, "/in", true, sync_done, &s[0]);
        s[1].op = fs_opendir(fs, "/in", sync_done, &s[1]);
        s[2].op = fs_readlink(fs, "/in/m/x", sync_done, &s[2]);
        s[3].op = fs_rename(fs, "/in", "/x", 0, sync_done, &s[3]);
        for (int i = 0; i < turns; i++)
            loop_poll(f->loop);
        for (size_t i = 0; i < 4; i++) {
            bool was_done = s[i].done;
            op_cancel(&s[i].op);
            loop_poll(f->loop);
            assert_int_equal(s[i].done, was_done);
        }
        fs_closedir(&s[1].dir);
    }
    vfs_free(&v);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_one_mount_passes_through),
        ROW(test_nested_mounts),
        ROW(test_no_root_mount),
        ROW(test_what_stays_where_it_is),
        ROW(test_links),
        ROW(test_links_around_read_only),
        ROW(test_permissions),
        ROW(test_permissions_without_root),
        ROW(test_confined_to_home),
        ROW(test_refused_identities),
        ROW(test_prefix_is_normal),
        ROW(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
