#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/local.h"
#include "backends/local/local_root.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

struct fixture {
    char top[PATH_MAX]; /* a temporary folder: "root" is the store, the rest is outside */
    char root[PATH_MAX];
    struct loop *loop;
    struct backend *store;
    struct fs *fs;
};

static struct backend *open_store(struct loop *l, char *root, bool atomic)
{
    char umask_text[] = "022";
    struct local_conf conf = {
        .root = root, .umask = umask_text, .atomic_uploads = atomic, .fsync = !atomic};
    const struct opt_any any = {.kind = &local_kind.opt, .conf = &conf};
    const struct backend_env env = {.loop = l};
    struct backend *b = NULL;
    struct gw_errmsg msg = {""};
    if (backend_new(&env, "disk", &any, &b, &msg) != GW_OK)
        fail_msg("%s", msg.text);
    return b;
}

static struct fs *view(struct backend *b, const char *prefix)
{
    const struct backend_view args = {.prefix = prefix};
    struct fs *fs = NULL;
    assert_int_equal(backend_view_new(b, &args, &fs), GW_OK);
    return fs;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->top, sizeof f->top - 64, "%s/postern-local-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(f->top));
    assert_true(snprintf(f->root, sizeof f->root, "%s/root", f->top) < (int)sizeof f->root);
    assert_int_equal(mkdir(f->root, 0755), 0);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = open_store(f->loop, f->root, true);
    f->fs = view(f->store, "");
    *state = f;
    return 0;
}

static int rm_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st;
    (void)type;
    (void)w;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    int rc = nftw(f->top, rm_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f);
    return rc;
}

/* Paths on the disk, past the store. */
static const char *disk(const struct fixture *f, const char *path)
{
    static char out[PATH_MAX * 2];
    snprintf(out, sizeof out, "%s%s", f->top, path);
    return out;
}

static void disk_put(const struct fixture *f, const char *path, const char *text)
{
    FILE *out = fopen(disk(f, path), "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static bool disk_has(const struct fixture *f, const char *path)
{
    struct stat st;
    return lstat(disk(f, path), &st) == 0;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
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

/* Nothing is seen of an upload before its close, and nothing ever of one that is thrown away. */
static void test_upload_appears_at_close(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char text[64];
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    assert_int_equal(chmod(disk(f, "/root/a"), 0640), 0);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "new content", 11), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "old");
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "new content");
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.mode, 0640); /* the old file's */

    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "lost", 4), GW_OK);
    fs_abort(&file);
    assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &file), GW_OK);
    fs_abort(&file);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "a");
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "new content");
}

static void test_two_uploads_of_one_name(void **state)
{
    struct fixture *f = *state;
    struct fs_file *a;
    struct fs_file *b;
    char text[64];
    assert_int_equal(sync_open(f->fs, "/x", UPLOAD, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", UPLOAD, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "first", 5), GW_OK);
    assert_int_equal(sync_write(b, 0, "second", 6), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_get(f->fs, "/x", text, sizeof text), GW_OK);
    assert_string_equal(text, "first"); /* the last close wins, whole */

    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "first", 5), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_EXISTS);
    assert_int_equal(sync_get(f->fs, "/y", text, sizeof text), GW_OK);
    assert_string_equal(text, "first");
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &b), GW_EXISTS);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "x y");
}

static void test_write_in_place(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char text[64];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ | FS_WRITE, &file), GW_OK);
    assert_int_equal(sync_write(file, 4, "xx", 2), GW_OK);
    assert_int_equal(sync_read(file, 3, text, 4, &n), GW_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "3xx6", 4);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "end", 3), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_CREATE, &file), GW_OK); /* resume */
    assert_int_equal(sync_write(file, 13, "!", 1), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "0123xx6789end!");
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "x", 1), GW_DENIED);
    assert_int_equal(sync_close(&file), GW_OK);
}

/* Many writes at once, out of order, go along in few trips and land where they belong. */
static void test_pipelined_writes(void **state)
{
    enum { N = 200, SIZE = 32768 };
    struct fixture *f = *state;
    struct fs_file *file;
    static struct sync s[N];
    static uint8_t block[SIZE];
    memset(s, 0, sizeof s);
    assert_int_equal(sync_open(f->fs, "/big", UPLOAD, &file), GW_OK);
    for (size_t i = 0; i < N; i++) {
        size_t k = i % 7 == 3 && i + 1 < N ? i + 1 : i % 7 == 4 ? i - 1 : i; /* some swapped */
        memset(block, (int)k, sizeof block);
        s[i].op = fs_write(file, k * SIZE, gw_span_of(block, SIZE), sync_done, &s[i]);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(sync_wait(f->loop, &s[i]), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/big", FS_READ, &file), GW_OK);
    for (size_t i = 0; i < N; i++) {
        size_t n;
        assert_int_equal(sync_read(file, i * SIZE, block, SIZE, &n), GW_OK);
        assert_int_equal(n, SIZE);
        assert_int_equal(block[0], (uint8_t)i);
        assert_int_equal(block[SIZE - 1], (uint8_t)i);
    }
    assert_int_equal(sync_close(&file), GW_OK);
}

static void test_read_now(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    uint8_t to[16];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    enum gw_err err = fs_read_now(file, 8, to, sizeof to, &n);
    assert_true(err == GW_OK || err == GW_BUSY); /* not every file system can tell */
    if (err == GW_OK) {
        assert_int_equal(n, 2);
        assert_int_equal(fs_read_now(file, 10, to, sizeof to, &n), GW_EOF);
    }
    assert_int_equal(sync_read(file, 8, to, sizeof to, &n), GW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(sync_read(file, 10, to, sizeof to, &n), GW_EOF);
    static const uint64_t far[] = {INT64_MAX - 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        err = fs_read_now(file, far[i], to, sizeof to, &n);
        assert_true(err == GW_EOF || err == GW_BUSY);
        assert_int_equal(sync_read(file, far[i], to, sizeof to, &n), GW_EOF);
    }
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &file), GW_OK);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_int_equal(sync_write(file, far[i], "xx", 2), GW_TOO_LARGE);
    assert_int_equal(sync_close(&file), GW_OK);
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->fs, "/b", true, &attr), GW_OK);
    assert_int_equal(attr.size, 0);
}

/* How a path could lead out, and what is said to it. The secret is outside the root. */
static void test_fence(void **state)
{
    struct fixture *f = *state;
    char text[64];
    disk_put(f, "/secret", "SECRET");
    assert_int_equal(mkdir(disk(f, "/outside"), 0755), 0);
    static const struct {
        const char *name, *target;
        enum gw_err want;
    } rows[] = {
        {"/abs", "/etc/passwd", GW_DENIED},
        {"/up", "../secret", GW_DENIED},
        {"/far", "../../../../etc/passwd", GW_DENIED},
        {"/upd", "..", GW_DENIED},
        {"/magic", "/proc/self/root", GW_DENIED},
        {"/loop", "loop", GW_LOOP},
        {"/l1", "l2", GW_LOOP},
        {"/l2", "l1", GW_LOOP},
        {"/dangling", "nowhere", GW_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "/root%s", rows[i].name);
        assert_int_equal(symlink(rows[i].target, disk(f, path)), 0);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_attr attr;
        enum gw_err want = rows[i].want;
        assert_int_equal(sync_get(f->fs, rows[i].name, text, sizeof text), want);
        assert_int_equal(sync_stat(f->fs, rows[i].name, true, NULL), want);
        assert_int_equal(sync_stat(f->fs, rows[i].name, false, &attr), GW_OK);
        assert_int_equal(attr.kind, FS_KIND_LINK);
        if (want == GW_NOT_FOUND)
            continue;
        const struct fs_attr mode = {.set = FS_ATTR_MODE | FS_ATTR_MTIME, .mode = 0777};
        assert_int_equal(sync_setstat(f->fs, rows[i].name, true, &mode), want);
        assert_int_equal(sync_put(f->fs, rows[i].name, "overwritten"), want);
        snprintf(text, sizeof text, "%s/x", rows[i].name);
        assert_int_not_equal(sync_put(f->fs, text, "x"), GW_OK);
        assert_int_not_equal(sync_mkdir(f->fs, text), GW_OK);
        assert_int_not_equal(sync_rename(f->fs, "/dangling", text, 0), GW_OK);
    }
    FILE *in = fopen(disk(f, "/secret"), "r");
    assert_non_null(in);
    assert_non_null(fgets(text, sizeof text, in));
    fclose(in);
    assert_string_equal(text, "SECRET");
}

/* Links that stay inside are followed, on the way and at the end, by uploads as well. */
static void test_links_inside(void **state)
{
    struct fixture *f = *state;
    char text[FS_PATH_MAX];
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/d/e"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/d/file", "one"), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "/d/file", "/d/e/link"), GW_OK);
    assert_int_equal(sync_readlink(f->fs, "/d/e/link", text), GW_OK);
    assert_string_equal(text, "../../d/file");
    assert_int_equal(sync_get(f->fs, "/d/e/link", text, sizeof text), GW_OK);
    assert_string_equal(text, "one");
    assert_int_equal(sync_symlink(f->fs, "d/e", "/short"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/short/link", "two"), GW_OK);
    assert_int_equal(sync_get(f->fs, "/d/file", text, sizeof text), GW_OK);
    assert_string_equal(text, "two");
    assert_int_equal(sync_readlink(f->fs, "/d/e/link", text), GW_OK); /* still a link */
    assert_int_equal(sync_symlink(f->fs, "made", "/dangling"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/dangling", "three"), GW_OK);
    assert_int_equal(sync_get(f->fs, "/made", text, sizeof text), GW_OK);
    assert_string_equal(text, "three");
    assert_int_equal(sync_symlink(f->fs, "/", "/top"), GW_OK);
    assert_int_equal(sync_stat(f->fs, "/top/d/file", true, NULL), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "../x", "/out"), GW_DENIED);
    assert_int_equal(sync_symlink(f->fs, "../../x", "/d/out"), GW_DENIED);
    assert_int_equal(sync_symlink(f->fs, "../x", "/d/in"), GW_OK);
    assert_int_equal(sync_readlink(f->fs, "/made", text), GW_BAD_ARG);

    /* Made on the disk, absolute: shown as the client would name it, or not at all. */
    struct fs *sub = view(f->store, "d");
    snprintf(text, sizeof text, "%.4000s/d/file", f->root);
    assert_int_equal(symlink(text, disk(f, "/root/d/abs")), 0);
    assert_int_equal(sync_readlink(f->fs, "/d/abs", text), GW_OK);
    assert_string_equal(text, "/d/file");
    assert_int_equal(sync_readlink(sub, "/abs", text), GW_OK);
    assert_string_equal(text, "/file");
    assert_int_equal(symlink(f->top, disk(f, "/root/d/host")), 0);
    assert_int_equal(sync_readlink(sub, "/host", text), GW_DENIED);
    fs_free(&sub);
}

/* A folder on the way is swapped for a link that leads out, again and again, while we read. */
static void test_swapped_while_racing(void **state)
{
    struct fixture *f = *state;
    char text[64];
    assert_int_equal(mkdir(disk(f, "/outside"), 0755), 0);
    disk_put(f, "/outside/file", "SECRET");
    assert_int_equal(mkdir(disk(f, "/root/d"), 0755), 0);
    disk_put(f, "/root/d/file", "inside");
    char d[PATH_MAX * 2];
    char l[PATH_MAX * 2];
    snprintf(d, sizeof d, "%s", disk(f, "/root/d"));
    snprintf(l, sizeof l, "%s", disk(f, "/root/l"));
    assert_int_equal(symlink("../outside", l), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (;;)
            (void)renameat2(AT_FDCWD, d, AT_FDCWD, l, RENAME_EXCHANGE);
    }
    unsigned inside = 0;
    for (int i = 0; i < 3000; i++) {
        enum gw_err err = sync_get(f->fs, "/d/file", text, sizeof text);
        assert_true(err == GW_OK || err == GW_DENIED || err == GW_BUSY);
        if (err == GW_OK)
            assert_string_equal(text, "inside");
        inside += err == GW_OK;
        err = sync_put(f->fs, "/d/new", "x");
        assert_true(err == GW_OK || err == GW_DENIED || err == GW_BUSY);
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(inside > 0);
    assert_false(disk_has(f, "/outside/new"));
}

static void test_special_files(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    assert_int_equal(mkfifo(disk(f, "/root/fifo"), 0666), 0);
    static const uint32_t flags[] = {FS_READ, FS_WRITE, FS_READ | FS_WRITE, UPLOAD,
                                     FS_WRITE | FS_CREATE};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        assert_int_equal(sync_open(f->fs, "/fifo", flags[i], &file), GW_DENIED);
        assert_int_equal(sync_open(f->fs, "/", flags[i], &file), flags[i] == FS_READ ? GW_IS_DIR
                                                                 : (flags[i] & FS_CREATE) != 0
                                                                     ? GW_DENIED
                                                                     : GW_IS_DIR);
    }
    if (mknod(disk(f, "/root/zero"), S_IFCHR | 0666, (dev_t)0x105) == 0)
        assert_int_equal(sync_open(f->fs, "/zero", FS_READ, &file), GW_DENIED);
    const struct fs_attr size = {.set = FS_ATTR_SIZE, .size = 0};
    assert_int_not_equal(sync_setstat(f->fs, "/fifo", true, &size), GW_OK);
}

static void test_names(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

/* Times that a client sets on an upload count, also when it goes on writing. */
static void test_fsetstat_before_close(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "one", 3), GW_OK);
    const struct fs_attr attr = {
        .set = FS_ATTR_MTIME | FS_ATTR_MODE, .mtime_s = 1234567890, .mode = 0600};
    struct sync s = {.done = false};
    s.op = fs_fsetstat(file, &attr, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(sync_write(file, 3, "two", 3), GW_OK);
    s = (struct sync){.done = false};
    s.op = fs_fstat(file, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(s.attr.size, 6);
    s = (struct sync){.done = false};
    s.op = fs_fsync(file, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    struct fs_attr now;
    assert_int_equal(sync_stat(f->fs, "/a", true, &now), GW_OK);
    assert_int_equal(now.mtime_s, 1234567890);
    assert_int_equal(now.mode, 0600);
}

static void test_listing(void **state)
{
    struct fixture *f = *state;
    static char text[8192];
    for (int i = 0; i < 300; i++) {
        char path[32];
        snprintf(path, sizeof path, "/root/f%03d", i);
        disk_put(f, path, "");
    }
    assert_int_equal(sync_list(f->fs, "/", 7, text, sizeof text), GW_OK);
    assert_int_equal(strlen(text), 300 * 5 - 1);
    assert_memory_equal(text, "f000 f001 ", 10);
    assert_int_equal(sync_list(f->fs, "/f000", 0, text, sizeof text), GW_NOT_DIR);
    assert_int_equal(sync_list(f->fs, "/none", 0, text, sizeof text), GW_NOT_FOUND);
}

static void test_reserved_names(void **state)
{
    struct fixture *f = *state;
    char text[128];
    static const char *const names[] = {"/.gateway-upload", "/.gateway-upload/x",
                                        "/d/.gateway-upload.1", "/.GATEWAY-UPLOAD"};
    assert_int_equal(mkdir(disk(f, "/root/.gateway-upload"), 0700), 0);
    assert_int_equal(mkdir(disk(f, "/root/d"), 0755), 0);
    disk_put(f, "/root/.gateway-upload/x", "another's");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(sync_stat(f->fs, names[i], true, NULL), GW_NOT_FOUND);
        assert_int_not_equal(sync_get(f->fs, names[i], text, sizeof text), GW_OK);
        assert_int_equal(sync_put(f->fs, names[i], "x"), GW_DENIED);
        assert_int_equal(sync_mkdir(f->fs, names[i]), GW_DENIED);
        assert_int_equal(sync_remove(f->fs, names[i]), GW_DENIED);
        assert_int_equal(sync_rename(f->fs, "/d", names[i], 0), GW_DENIED);
        assert_int_equal(sync_symlink(f->fs, names[i], "/link"), GW_DENIED);
    }
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "d/");
    assert_true(disk_has(f, "/root/.gateway-upload/x"));
}

static void test_prefix(void **state)
{
    struct fixture *f = *state;
    struct fs *fs = view(f->store, "users/alice");
    char text[64];
    assert_false(disk_has(f, "/root/users")); /* made on first use */
    assert_int_equal(sync_put(fs, "/x", "1"), GW_OK);
    assert_true(disk_has(f, "/root/users/alice/x"));
    assert_int_equal(symlink("..", disk(f, "/root/users/alice/up")), 0);
    assert_int_equal(sync_list(fs, "/up", 0, text, sizeof text), GW_DENIED);
    fs_free(&fs);

    /* A user's folder that is a link: whoever made it has no say in where the user ends. */
    assert_int_equal(symlink("alice", disk(f, "/root/users/bob")), 0);
    fs = view(f->store, "users/bob");
    assert_int_not_equal(sync_list(fs, "/", 0, text, sizeof text), GW_OK);
    fs_free(&fs);

    const struct backend_view ro = {.prefix = "users/carol", .read_only = true};
    assert_int_equal(backend_view_new(f->store, &ro, &fs), GW_OK);
    assert_int_equal(sync_list(fs, "/", 0, text, sizeof text), GW_NOT_FOUND);
    assert_false(disk_has(f, "/root/users/carol"));
    fs_free(&fs);

    const struct backend_view own = {.prefix = ".gateway-upload"};
    assert_int_equal(backend_view_new(f->store, &own, &fs), GW_DENIED);
}

static void test_read_only(void **state)
{
    struct fixture *f = *state;
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

static void test_no_links(void **state)
{
    struct fixture *f = *state;
    struct fs *fs;
    char text[FS_PATH_MAX];
    const struct backend_view args = {.prefix = "", .no_links = true};
    assert_int_equal(sync_put(f->fs, "/a", "x"), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    assert_int_equal(backend_view_new(f->store, &args, &fs), GW_OK);
    assert_int_equal(sync_get(fs, "/l", text, sizeof text), GW_DENIED);
    assert_int_equal(sync_put(fs, "/l", "y"), GW_DENIED);
    assert_int_equal(sync_symlink(fs, "a", "/m"), GW_DENIED);
    assert_int_equal(sync_stat(fs, "/l", false, NULL), GW_OK);
    assert_int_equal(sync_readlink(fs, "/l", text), GW_OK);
    fs_free(&fs);
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    struct fs_file *from;
    struct fs_file *to;
    char text[64];
    static const struct {
        uint64_t off, len, to_off;
        const char *want;
    } rows[] = {{0, 0, 0, "0123456789"}, {2, 3, 0, "234"}, {8, 100, 0, "89"}, {10, 0, 0, ""}};
    assert_int_equal(sync_put(f->fs, "/a", "0123456789"), GW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sync_open(f->fs, "/a", FS_READ, &from), GW_OK);
        assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &to), GW_OK);
        struct sync s = {.done = false};
        s.op = fs_copy(from, rows[i].off, rows[i].len, to, rows[i].to_off, sync_done, &s);
        assert_int_equal(sync_wait(f->loop, &s), GW_OK);
        assert_int_equal(s.bytes, strlen(rows[i].want));
        assert_int_equal(sync_close(&from), GW_OK);
        assert_int_equal(sync_close(&to), GW_OK);
        assert_int_equal(sync_get(f->fs, "/b", text, sizeof text), GW_OK);
        assert_string_equal(text, rows[i].want);
    }
}

static void test_statvfs_and_probe(void **state)
{
    struct fixture *f = *state;
    struct sync s = {.done = false};
    char text[FS_TEXT_MAX];
    s.op = fs_statvfs(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_true(s.space.blocks > 0 && s.space.namemax >= 255);
    assert_int_equal(sync_probe(f->store, text), GW_OK);
    assert_string_equal(text, "root is writable");
}

/* A write that was lost makes the close fail, and nothing appears. */
static void test_lost_write(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char block[128] = {0};
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    mem_fail_after(1);
    assert_int_equal(sync_write(file, 0, block, sizeof block), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_write(file, 0, block, sizeof block), GW_OK);
    assert_int_equal(sync_close(&file), GW_NO_MEMORY);
    assert_int_equal(sync_get(f->fs, "/a", block, sizeof block), GW_OK);
    assert_string_equal(block, "old");
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    mem_fail_after(1);
    size_t n;
    assert_int_equal(sync_read(file, 0, block, sizeof block, &n), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_close(&file), GW_OK);
}

/* Without atomic uploads a file grows in its place. */
static void test_plain_uploads(void **state)
{
    struct fixture *f = *state;
    struct backend *b = open_store(f->loop, f->root, false);
    struct fs *fs = view(b, "");
    struct fs_file *file;
    struct fs_attr attr;
    char text[64];
    assert_int_equal(sync_open(fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "abc", 3), GW_OK);
    assert_int_equal(sync_stat(fs, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.size, 3);
    assert_int_equal(attr.mode, 0644);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(fs, "/a", UPLOAD | FS_EXCL, &file), GW_EXISTS);
    assert_int_equal(sync_open(fs, "/b", FS_WRITE | FS_TRUNC, &file), GW_NOT_FOUND);
    assert_int_equal(sync_open(fs, "/b", UPLOAD | FS_EXCL, &file), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_put(fs, "/a", "x"), GW_OK);
    assert_int_equal(sync_get(fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "x");
    fs_free(&fs);
    backend_unref(&b);
}

/* What is made belongs to whom the configuration says, with the modes that it says, whatever the
 * process's own umask is. */
static void test_owner_and_umask(void **state)
{
    struct fixture *f = *state;
    const bool is_root = geteuid() == 0;
    char bits[] = "027";
    struct local_conf conf = {.root = f->root, .umask = bits, .atomic_uploads = true};
    conf.uid = is_root ? 1234 : 0;
    conf.gid = is_root ? 5678 : 0;
    const struct opt_any any = {.kind = &local_kind.opt, .conf = &conf};
    const struct backend_env env = {.loop = f->loop};
    struct backend *b;
    assert_int_equal(backend_new(&env, "owned", &any, &b, NULL), GW_OK);
    struct fs *fs = view(b, "home/bob");
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
    struct fixture *f = *state;
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

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_round_trip),
        ROW(test_upload_appears_at_close),
        ROW(test_two_uploads_of_one_name),
        ROW(test_write_in_place),
        ROW(test_pipelined_writes),
        ROW(test_read_now),
        ROW(test_fence),
        ROW(test_links_inside),
        ROW(test_swapped_while_racing),
        ROW(test_special_files),
        ROW(test_names),
        ROW(test_attributes),
        ROW(test_fsetstat_before_close),
        ROW(test_listing),
        ROW(test_reserved_names),
        ROW(test_prefix),
        ROW(test_read_only),
        ROW(test_no_links),
        ROW(test_copy),
        ROW(test_statvfs_and_probe),
        ROW(test_lost_write),
        ROW(test_plain_uploads),
        ROW(test_owner_and_umask),
        ROW(test_refused_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
