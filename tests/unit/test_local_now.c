/* What the loop asks a disk itself, attributes and the close of what was only read, and all that it
 * leaves to the pool. */
#include "backends/local/local_now.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/local_handle.h"
#include "gateway/base/mem.h"
#include "gateway/vfs/quota.h"
#include "gateway/vfs/vfs.h"
#include "tests/support/local_lab.h"
#include "tests/support/sftp_words.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

static bool kernel_can(void)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    long fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
    if (fd >= 0)
        close((int)fd);
    return fd >= 0;
}

static void make_prompt(struct fs *view)
{
    assert_int_equal(sync_stat(view, "/", true, NULL), GW_OK); /* opens its root */
    ((struct local_fs *)view)->root->is_prompt = true;
}

/* A view that is asked on the loop, whatever TMPDIR lies on. */
static int setup(void **state)
{
    (void)local_lab_setup(state);
    make_prompt(((struct local_lab *)*state)->fs);
    return 0;
}

/* Work that the pool was given and has not answered. */
static unsigned on_pool(struct loop *l)
{
    return loop_uv(l)->active_reqs.count;
}

static enum gw_err now(struct fs *fs, const char *path, bool follow)
{
    struct fs_attr attr;
    unsigned before = on_pool(fs->loop);
    enum gw_err err = fs_stat_now(fs, path, follow, &attr);
    assert_int_equal(on_pool(fs->loop), before);
    return err;
}

/* What the loop is told and what the pool is told are one thing. The kernel may forget a name at
 * any time, or give up because somebody mounts or renames: then once more. */
static enum gw_err same(struct fs *fs, const char *path, bool follow)
{
    struct fs_attr quick;
    struct fs_attr slow;
    enum gw_err err = GW_BUSY;
    for (int i = 0; i < 100 && err == GW_BUSY; i++) {
        assert_int_equal(sync_stat(fs, path, follow, &slow), GW_OK);
        err = fs_stat_now(fs, path, follow, &quick);
    }
    if (err == GW_OK) {
        assert_int_equal(quick.set, slow.set);
        assert_int_equal(quick.kind, slow.kind);
        assert_int_equal(quick.mode, slow.mode);
        assert_int_equal(quick.size, slow.size);
        assert_int_equal(quick.nlink, slow.nlink);
        assert_int_equal(quick.uid, slow.uid);
        assert_int_equal(quick.mtime_s, slow.mtime_s);
        assert_int_equal(quick.mtime_ns, slow.mtime_ns);
    }
    return err;
}

static void test_file_systems(void **state)
{
    (void)state;
    static const struct {
        uint64_t magic;
        bool want;
    } rows[] = {
        {EXT4_SUPER_MAGIC, true},    {XFS_SUPER_MAGIC, true},
        {BTRFS_SUPER_MAGIC, true},   {F2FS_SUPER_MAGIC, true},
        {TMPFS_MAGIC, true},         {NFS_SUPER_MAGIC, false},
        {CIFS_SUPER_MAGIC, false},   {0xfe534d42, false},
        {FUSE_SUPER_MAGIC, false},   {CEPH_SUPER_MAGIC, false},
        {V9FS_MAGIC, false},         {OVERLAYFS_SUPER_MAGIC, false},
        {AUTOFS_SUPER_MAGIC, false}, {0x2fc12fc1, false},
        {PROC_SUPER_MAGIC, false},   {0, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(local_now_knows(rows[i].magic), rows[i].want);
}

static void test_answers(void **state)
{
    struct local_lab *f = *state;
    static const char *const paths[] = {"/", "/a", "/d", "/d/b"};
    assert_int_equal(sync_put(f->fs, "/a", "hello"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/d/b", ""), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/d/l"), GW_OK);
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(same(f->fs, paths[i], true), GW_OK);
        assert_int_equal(same(f->fs, paths[i], false), GW_OK);
    }
    assert_int_equal(same(f->fs, "/d/l", false), GW_OK);
}

/* Nothing is known of a store before it has been asked once. */
static void test_first(void **state)
{
    struct local_lab *f = *state;
    struct fs *view = storekit_view(f->store, "");
    assert_int_equal(now(view, "/", true), GW_BUSY);
    assert_int_equal(sync_stat(view, "/", true, NULL), GW_OK);
    const struct local_root *r = ((struct local_fs *)view)->root;
    assert_int_equal(r->is_prompt, local_now_is_prompt(r->fd));
    fs_free(&view);
}

/* What the pool has to judge is left to it, and it judges as ever. */
static void test_left_to_pool(void **state)
{
    struct local_lab *f = *state;
    static const struct {
        const char *path;
        enum gw_err want;
    } rows[] = {
        {"/up", GW_DENIED},   {"/up/x", GW_DENIED},
        {"/file", GW_DENIED}, {"/abs", GW_DENIED},
        {"/loop", GW_LOOP},   {"/dangling", GW_NOT_FOUND},
        {"/l", GW_OK},        {"/to_d/b", GW_OK},
        {"/a/b", GW_NOT_DIR}, {"/" RESERVED_PREFIX ".x", GW_NOT_FOUND},
    };
    static const char *const links[][2] = {
        {"/root/up", ".."},     {"/root/file", "../secret"}, {"/root/abs", "/etc/passwd"},
        {"/root/loop", "loop"}, {"/root/dangling", "none"},  {"/root/l", "a"},
        {"/root/to_d", "d"},
    };
    local_lab_put(f, "/secret", "SECRET");
    local_lab_put(f, "/x", "OUTSIDE");
    local_lab_put(f, "/root/a", "");
    local_lab_put(f, "/root/" RESERVED_PREFIX ".x", "");
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/d/b", ""), GW_OK);
    for (size_t i = 0; i < COUNT(links); i++)
        assert_int_equal(symlink(links[i][1], local_lab_disk(f, links[i][0])), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(now(f->fs, rows[i].path, true), GW_BUSY);
            assert_int_equal(sync_stat(f->fs, rows[i].path, true, NULL), rows[i].want);
        }
    }
    assert_int_equal(now(f->fs, "/up/x", false), GW_BUSY);
    assert_int_equal(now(f->fs, "/to_d/b", false), GW_BUSY);
}

/* A name that the kernel has not looked up is the pool's, and one that it knows not to be there
 * appears as soon as it is. */
static void test_unknown_name(void **state)
{
    struct local_lab *f = *state;
    assert_int_equal(mkdir(local_lab_disk(f, "/root/d"), 0755), 0);
    assert_int_equal(now(f->fs, "/d/new", true), GW_BUSY);
    assert_int_equal(now(f->fs, "/d/new", true), GW_BUSY);
    assert_int_equal(sync_stat(f->fs, "/d/new", true, NULL), GW_NOT_FOUND);
    enum gw_err err = now(f->fs, "/d/new", true);
    assert_true(err == GW_NOT_FOUND || err == GW_BUSY); /* tmpfs remembers no such names */
    local_lab_put(f, "/root/d/new", "x");
    assert_int_equal(same(f->fs, "/d/new", true), GW_OK);
    assert_int_equal(unlink(local_lab_disk(f, "/root/d/new")), 0);
    err = now(f->fs, "/d/new", true);
    assert_true(err == GW_NOT_FOUND || err == GW_BUSY);
}

static void test_another_file_system(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    struct fs_attr attr;
    assert_int_equal(sync_put(f->fs, "/a", "hello"), GW_OK);
    assert_int_equal(same(f->fs, "/a", true), GW_OK);
    ((struct local_fs *)f->fs)->root->is_prompt = false;
    assert_int_equal(now(f->fs, "/a", true), GW_BUSY);
    assert_int_equal(now(f->fs, "/", true), GW_BUSY);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    ((struct local_handle *)file)->is_prompt = false;
    assert_int_equal(fs_fstat_now(file, &attr), GW_BUSY);
    fs_abort(&file);
}

/* An upload is its handle's alone until it is closed. */
static void test_open_file(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    struct fs_attr attr;
    assert_int_equal(sync_open(f->fs, "/up", UPLOAD, &file), GW_OK);
    struct local_handle *h = (struct local_handle *)file;
    assert_int_equal(h->is_prompt, local_now_is_prompt(h->fd));
    h->is_prompt = true;
    assert_int_equal(sync_write(file, 0, "12345", 5), GW_OK);
    assert_int_equal(fs_fstat_now(file, &attr), GW_OK);
    assert_int_equal(attr.kind, FS_KIND_REG);
    assert_int_equal(attr.size, 5);
    assert_int_not_equal(now(f->fs, "/up", true), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(same(f->fs, "/up", true), GW_OK);
}

/* What one turn is asked too often, or at too great a length, is the pool's. */
static void test_bounds(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    struct fs_attr attr;
    char path[FS_PATH_MAX] = "";
    local_lab_put(f, "/root/a", "x");
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    ((struct local_handle *)file)->is_prompt = true;
    for (int round = 0; round < 2; round++) {
        loop_poll(f->loop);
        for (unsigned i = 0; i < LOCAL_NOW_MAX / 2; i++) {
            (void)now(f->fs, "/a", true);
            assert_int_equal(fs_fstat_now(file, &attr), GW_OK);
        }
        assert_int_equal(fs_fstat_now(file, &attr), GW_BUSY);
        assert_int_equal(now(f->fs, "/a", true), GW_BUSY);
    }
    loop_poll(f->loop);
    assert_int_equal(same(f->fs, "/a", true), GW_OK);
    fs_abort(&file);
    size_t n = 0;
    while (n < LOCAL_NOW_PATH_MAX - 1) {
        n += (size_t)snprintf(path + n, sizeof path - n, "/d");
        assert_int_equal(sync_mkdir(f->fs, path), GW_OK);
    }
    assert_int_equal(same(f->fs, path, true), GW_OK);
    (void)snprintf(path + n, sizeof path - n, "/d");
    assert_int_equal(sync_mkdir(f->fs, path), GW_OK);
    assert_int_equal(same(f->fs, path, true), GW_BUSY);
}

/* The last close of a file that has no name any more frees it: on the pool. */
static void test_last_close(void **state)
{
    struct local_lab *f = *state;
    static const struct {
        bool prompt, removed;
        unsigned trips;
    } rows[] = {{true, false, 0}, {true, true, 1}, {false, false, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fs_file *file;
        local_lab_put(f, "/root/a", "x");
        assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
        ((struct local_handle *)file)->is_prompt = rows[i].prompt;
        if (rows[i].removed)
            assert_int_equal(unlink(local_lab_disk(f, "/root/a")), 0);
        unsigned before = on_pool(f->loop);
        fs_abort(&file);
        assert_int_equal(on_pool(f->loop), before + rows[i].trips);
    }
}

/* Mounts below a view: whatever is there, it is not asked on the loop by name; an open file is, if
 * its own file system is one of those. In a child, whose mounts are its own. */
static int look_at_mounts(const char *root)
{
    char path[PATH_MAX];
    struct loop *l;
    struct fs_attr attr;
    static const char *const dirs[] = {"m", "p"};
    static const char *const types[] = {"tmpfs", "proc"};
    static const char *const files[] = {"/m/x", "/p/version"};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return 77;
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", root, dirs[i]);
        if (mkdir(path, 0755) != 0 || mount("none", path, types[i], 0, NULL) != 0)
            return 77;
    }
    if (loop_new(&l) != GW_OK)
        return 1;
    struct backend *b = storekit_local(l, root, true);
    struct fs *fs = storekit_view(b, "");
    int bad = sync_put(fs, "/m/x", "12") != GW_OK;
    make_prompt(fs);
    for (size_t i = 0; i < 2; i++) {
        struct fs_file *file = NULL;
        snprintf(path, sizeof path, "/%s", dirs[i]);
        bad += 2 * (sync_stat(fs, path, true, NULL) != GW_OK);
        bad += 4 * (sync_stat(fs, files[i], true, NULL) != GW_OK);
        bad += 8 * (fs_stat_now(fs, path, true, &attr) != GW_BUSY);
        bad += 8 * (fs_stat_now(fs, files[i], true, &attr) != GW_BUSY);
        bad += 16 * (sync_open(fs, files[i], FS_READ, &file) != GW_OK);
        if (file != NULL)
            bad += 32 * (fs_fstat_now(file, &attr) != (i == 0 ? GW_OK : GW_BUSY));
        fs_abort(&file);
        /* And where a user's own root is there. */
        struct fs *view = storekit_view(b, dirs[i]);
        bad += 2 * (sync_stat(view, files[i] + 2, true, NULL) != GW_OK);
        bad += 64 * (same(view, files[i] + 2, true) != (i == 0 ? GW_OK : GW_BUSY));
        fs_free(&view);
    }
    fs_free(&fs);
    backend_unref(&b);
    loop_free(&l);
    return bad;
}

static void test_mounts(void **state)
{
    struct local_lab *f = *state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "mounts", f->root, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* ---- what lies between the session and the store ---- */

static struct backend *backend_named(void *arg, const char *name)
{
    (void)name;
    return ((struct local_lab *)arg)->store;
}

#define TEXT(s) ((char *)(uintptr_t)(s))

/* The answer of the tree and that of a quota over it are the view's. */
static void test_through_the_tree(void **state)
{
    struct local_lab *f = *state;
    struct identity_mount mounts[] = {
        {.path = TEXT("/"), .backend = TEXT("disk"), .prefix = TEXT("top")},
        {.path = TEXT("/in/box"), .backend = TEXT("disk"), .prefix = TEXT("box")},
    };
    const struct identity id = {.user = TEXT("alice"),
                                .home = TEXT("/"),
                                .mounts = mounts,
                                .nmounts = 2,
                                .limits = {.quota_bytes = 1000}};
    const struct vfs_env env = {.loop = f->loop, .backend = backend_named, .arg = f};
    struct vfs *v = NULL;
    struct fs_file *file;
    struct fs_attr attr;
    assert_int_equal(sync_mkdir(f->fs, "/top"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/box"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/top/a", "1"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/box/b", "22"), GW_OK);
    assert_int_equal(vfs_new(&env, &id, &v, NULL), GW_OK);
    struct fs *q = quota_new(v, &id, NULL);
    assert_non_null(q);
    struct fs *const trees[] = {vfs_fs(v), q};
    const bool prompt = local_now_is_prompt(((struct local_fs *)f->fs)->root->fd);
    const enum gw_err want = prompt ? GW_OK : GW_BUSY;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(same(trees[i], "/a", true), want);
        assert_int_equal(same(trees[i], "/in/box/b", true), want);
        assert_int_equal(now(trees[i], "/in", true), GW_BUSY); /* it only leads to a mount */
        assert_int_equal(sync_open(trees[i], "/in/box/b", FS_READ, &file), GW_OK);
        assert_int_equal(fs_fstat_now(file, &attr), want);
        fs_abort(&file);
    }
    fs_free(&q);
    vfs_free(&v);
}

static struct sftp_peer *peer_on(const struct local_lab *f)
{
    struct sftp_peer *p = sftp_peer_new(&(struct sftp_peer_opts){.disk = f->root});
    struct sftp_reply r;
    sftp_peer_hello(p);
    sftp_peer_put(p, FXP_STAT, "s", "/");
    sftp_peer_wait(p, &r);
    return p;
}

/* Is it answered within the turn that reads it? What the reply is: *type. */
static bool at_once(struct sftp_peer *p, unsigned request, const char *path, unsigned *type)
{
    struct sftp_reply r = {.type = 0};
    sftp_peer_put(p, request, "s", path);
    sftp_peer_pump(p);
    bool now = sftp_peer_next(p, &r);
    assert_int_equal(on_pool(p->loop), now ? 0 : 1);
    if (!now)
        sftp_peer_wait(p, &r);
    *type = r.type;
    return now;
}

/* A session's STAT is answered within the turn that read it, and nothing is asked of the pool. */
static void test_session(void **state)
{
    struct local_lab *f = *state;
    struct sftp_reply r;
    uint8_t h[256];
    unsigned type;
    static const struct {
        unsigned request;
        const char *path;
        bool at_once;
        unsigned type;
    } rows[] = {
        {FXP_STAT, "/a", true, FXP_ATTRS},
        {FXP_LSTAT, "/l", true, FXP_ATTRS},
        {FXP_STAT, "/l", false, FXP_ATTRS},
        {FXP_STAT, "/l/x", false, FXP_STATUS},
        {FXP_STAT, "/" RESERVED_PREFIX ".x", false, FXP_STATUS},
    };
    if (!local_now_is_prompt(((struct local_fs *)f->fs)->root->fd))
        skip();
    assert_int_equal(sync_put(f->fs, "/a", "hello"), GW_OK);
    assert_int_equal(symlink("a", local_lab_disk(f, "/root/l")), 0);
    struct sftp_peer *p = peer_on(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool now = false;
        for (int tries = 0; tries < 100 && !now; tries++)
            now = at_once(p, rows[i].request, rows[i].path, &type);
        assert_int_equal(now, rows[i].at_once);
        assert_int_equal(type, rows[i].type);
    }
    size_t h_len = sftp_peer_open(p, "/a", READ, h);
    sftp_peer_put(p, FXP_FSTAT, "x", H(h));
    sftp_peer_pump(p);
    assert_true(sftp_peer_next(p, &r));
    assert_int_equal(r.type, FXP_ATTRS);
    assert_int_equal(on_pool(p->loop), 0);
    /* One that has gone to the pool when the session ends. */
    sftp_peer_put(p, FXP_STAT, "s", "/nobody/asked/for");
    sftp_peer_pump(p);
    assert_false(sftp_peer_next(p, &r));
    assert_int_equal(on_pool(p->loop), 1);
    sftp_peer_free(&p);
}

/* FSTAT sees the writes before it, though it needs no thread and they do. */
static void test_order(void **state)
{
    struct local_lab *f = *state;
    struct sftp_peer *p = peer_on(f);
    struct sftp_reply r;
    uint8_t h[256];
    static const char block[] = "0123456789";
    size_t h_len = sftp_peer_open(p, "/up", WRITE | CREAT | TRUNC, h);
    for (uint64_t i = 0; i < 8; i++)
        sftp_peer_put(p, FXP_WRITE, "xqs", H(h), i * 10, block);
    uint32_t id = sftp_peer_put(p, FXP_FSTAT, "x", H(h));
    do
        sftp_peer_wait(p, &r);
    while (r.id != id);
    assert_int_equal(r.type, FXP_ATTRS);
    assert_true(gw_rd_u32(&r.body) & 1); /* SIZE */
    assert_int_equal(gw_rd_u64(&r.body), 80);
    sftp_peer_free(&p);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return look_at_mounts(argv[1]);
    if (!kernel_can())
        return 0;
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, local_lab_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_systems),
        ROW(test_answers),
        ROW(test_first),
        ROW(test_left_to_pool),
        ROW(test_unknown_name),
        ROW(test_another_file_system),
        ROW(test_open_file),
        ROW(test_bounds),
        ROW(test_last_close),
        ROW(test_mounts),
        ROW(test_through_the_tree),
        ROW(test_session),
        ROW(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
