/* How a path could lead out of a store on a disk, and which names nobody may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/local_lab.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

/* How a path could lead out, and what is said to it. The secret is outside the root. */
static void test_fence(void **state)
{
    struct local_lab *f = *state;
    char text[64];
    local_lab_put(f, "/secret", "SECRET");
    assert_int_equal(mkdir(local_lab_disk(f, "/outside"), 0755), 0);
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
        assert_int_equal(symlink(rows[i].target, local_lab_disk(f, path)), 0);
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
    FILE *in = fopen(local_lab_disk(f, "/secret"), "r");
    assert_non_null(in);
    assert_non_null(fgets(text, sizeof text, in));
    fclose(in);
    assert_string_equal(text, "SECRET");
}

/* Links that stay inside are followed, on the way and at the end, by uploads as well. */
static void test_links_inside(void **state)
{
    struct local_lab *f = *state;
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
    struct fs *sub = storekit_view(f->store, "d");
    snprintf(text, sizeof text, "%.4000s/d/file", f->root);
    assert_int_equal(symlink(text, local_lab_disk(f, "/root/d/abs")), 0);
    assert_int_equal(sync_readlink(f->fs, "/d/abs", text), GW_OK);
    assert_string_equal(text, "/d/file");
    assert_int_equal(sync_readlink(sub, "/abs", text), GW_OK);
    assert_string_equal(text, "/file");
    assert_int_equal(symlink(f->top, local_lab_disk(f, "/root/d/host")), 0);
    assert_int_equal(sync_readlink(sub, "/host", text), GW_DENIED);
    fs_free(&sub);
}

/* A folder on the way is swapped for a link that leads out, again and again, while we read. */
static void test_swapped_while_racing(void **state)
{
    struct local_lab *f = *state;
    char text[64];
    assert_int_equal(mkdir(local_lab_disk(f, "/outside"), 0755), 0);
    local_lab_put(f, "/outside/file", "SECRET");
    assert_int_equal(mkdir(local_lab_disk(f, "/root/d"), 0755), 0);
    local_lab_put(f, "/root/d/file", "inside");
    char d[PATH_MAX * 2];
    char l[PATH_MAX * 2];
    snprintf(d, sizeof d, "%s", local_lab_disk(f, "/root/d"));
    snprintf(l, sizeof l, "%s", local_lab_disk(f, "/root/l"));
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
    assert_false(local_lab_has(f, "/outside/new"));
}

static void test_special_files(void **state)
{
    struct local_lab *f = *state;
    struct fs_file *file;
    assert_int_equal(mkfifo(local_lab_disk(f, "/root/fifo"), 0666), 0);
    static const uint32_t flags[] = {FS_READ, FS_WRITE, FS_READ | FS_WRITE, UPLOAD,
                                     FS_WRITE | FS_CREATE};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        assert_int_equal(sync_open(f->fs, "/fifo", flags[i], &file), GW_DENIED);
        assert_int_equal(sync_open(f->fs, "/", flags[i], &file), flags[i] == FS_READ ? GW_IS_DIR
                                                                 : (flags[i] & FS_CREATE) != 0
                                                                     ? GW_DENIED
                                                                     : GW_IS_DIR);
    }
    if (mknod(local_lab_disk(f, "/root/zero"), S_IFCHR | 0666, (dev_t)0x105) == 0)
        assert_int_equal(sync_open(f->fs, "/zero", FS_READ, &file), GW_DENIED);
    const struct fs_attr size = {.set = FS_ATTR_SIZE, .size = 0};
    assert_int_not_equal(sync_setstat(f->fs, "/fifo", true, &size), GW_OK);
}

static void test_reserved_names(void **state)
{
    struct local_lab *f = *state;
    char text[128];
    static const char *const names[] = {"/.gateway-upload", "/.gateway-upload/x",
                                        "/d/.gateway-upload.1", "/.GATEWAY-UPLOAD"};
    assert_int_equal(mkdir(local_lab_disk(f, "/root/.gateway-upload"), 0700), 0);
    assert_int_equal(mkdir(local_lab_disk(f, "/root/d"), 0755), 0);
    local_lab_put(f, "/root/.gateway-upload/x", "another's");
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
    assert_true(local_lab_has(f, "/root/.gateway-upload/x"));
}

static void test_no_links(void **state)
{
    struct local_lab *f = *state;
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

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, local_lab_setup, local_lab_teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_fence),         ROW(test_links_inside),   ROW(test_swapped_while_racing),
        ROW(test_special_files), ROW(test_reserved_names), ROW(test_no_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
