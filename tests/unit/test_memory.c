#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

struct fixture {
    struct loop *loop;
    struct backend *store;
    struct fs *fs;
};

static struct backend *open_store(struct loop *l, const char *name)
{
    return storekit_memory(l, name, 1);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = open_store(f->loop, "mem");
    f->fs = storekit_view(f->store, "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    mem_free(f);
    return 0;
}

static void test_files(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char text[64];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
    assert_int_equal(sync_write(file, 4, "new", 3), GW_OK);
    assert_int_equal(sync_get(f->fs, "/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "old"); /* until the close */
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_READ | FS_WRITE, &file), GW_OK);
    assert_int_equal(sync_read(file, 0, text, sizeof text, &n), GW_OK);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "\0\0\0\0new", 7);
    assert_int_equal(sync_read(file, 7, text, 1, &n), GW_EOF);
    assert_int_equal(sync_read(file, UINT64_MAX, text, 1, &n), GW_EOF);
    assert_int_equal(sync_write(file, UINT64_MAX, "xx", 2), GW_TOO_LARGE);
    assert_int_equal(sync_write(file, 1u << 30, "xx", 2), GW_NO_SPACE);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/b", UPLOAD, &file), GW_OK);
    fs_abort(&file);
    assert_int_equal(sync_open(f->fs, "/a", UPLOAD | FS_EXCL, &file), GW_EXISTS);
    assert_int_equal(sync_open(f->fs, "/", FS_READ, &file), GW_IS_DIR);
    assert_int_equal(sync_open(f->fs, "/no/x", UPLOAD, &file), GW_NO_PATH);
    assert_int_equal(sync_open(f->fs, "/a/x", UPLOAD, &file), GW_NOT_DIR);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "a");
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    char text[128];
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_EXISTS);
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
        {"/d", "/b", FS_RENAME_OVERWRITE, GW_NOT_DIR},
        {"/b", "/b", FS_RENAME_OVERWRITE, GW_OK},
        {"/b", "/c", 0, GW_OK},
        {"/c", "/d/a", FS_RENAME_OVERWRITE, GW_OK},
        {"/d", "/e", 0, GW_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sync_rename(f->fs, rows[i].from, rows[i].to, rows[i].flags), rows[i].want);
    assert_int_equal(sync_get(f->fs, "/e/a", text, sizeof text), GW_OK);
    assert_string_equal(text, "B");
    assert_int_equal(sync_hardlink(f->fs, "/e/a", "/h"), GW_OK);
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->fs, "/h", true, &attr), GW_OK);
    assert_int_equal(attr.nlink, 2);
    assert_int_equal(sync_rmdir(f->fs, "/e"), GW_NOT_EMPTY);
    assert_int_equal(sync_remove(f->fs, "/e"), GW_IS_DIR);
    assert_int_equal(sync_remove(f->fs, "/e/a"), GW_OK);
    assert_int_equal(sync_rmdir(f->fs, "/e"), GW_OK);
    assert_int_equal(sync_rmdir(f->fs, "/"), GW_DENIED);
    assert_int_equal(sync_get(f->fs, "/h", text, sizeof text), GW_OK);
    assert_string_equal(text, "B");
}

static void test_links(void **state)
{
    struct fixture *f = *state;
    char text[FS_PATH_MAX];
    struct fs *sub = storekit_view(f->store, "d");
    assert_int_equal(sync_put(sub, "/file", "one"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/secret", "SECRET"), GW_OK);
    static const struct {
        const char *name, *target;
        enum gw_err want;
    } rows[] = {
        {"/abs", "/file", GW_OK},
        {"/rel", "./file", GW_OK},
        {"/up", "../file", GW_OK}, /* ".." stops at the view's root */
        {"/out", "../secret", GW_NOT_FOUND},
        {"/far", "/secret", GW_NOT_FOUND},
        {"/loop", "loop", GW_LOOP},
        {"/chain", "abs", GW_OK},
        {"/via", "/loop/x", GW_LOOP},
        {"/none", "nowhere", GW_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sync_symlink(sub, rows[i].target, rows[i].name), GW_OK);
        assert_int_equal(sync_get(sub, rows[i].name, text, sizeof text), rows[i].want);
        if (rows[i].want == GW_OK)
            assert_string_equal(text, "one");
        assert_int_equal(sync_readlink(sub, rows[i].name, text), GW_OK);
        assert_string_equal(text, rows[i].target);
    }
    fs_free(&sub);
}

/* Another loop's backend of the same name is the same store; another name's is not. */
static void test_shared_by_name(void **state)
{
    struct fixture *f = *state;
    struct loop *l;
    char text[16];
    assert_int_equal(loop_new(&l), GW_OK);
    struct backend *same = open_store(l, "mem");
    struct backend *other = open_store(l, "other");
    struct fs *a = storekit_view(same, "");
    struct fs *b = storekit_view(other, "");
    assert_int_equal(sync_put(f->fs, "/x", "1"), GW_OK);
    assert_int_equal(sync_get(a, "/x", text, sizeof text), GW_OK);
    assert_int_equal(sync_get(b, "/x", text, sizeof text), GW_NOT_FOUND);
    fs_free(&a);
    fs_free(&b);
    backend_unref(&same);
    backend_unref(&other);
    loop_free(&l);
}

static void test_bounded(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    static uint8_t block[64 * 1024];
    assert_int_equal(sync_open(f->fs, "/big", UPLOAD, &file), GW_OK);
    enum gw_err err = GW_OK;
    uint64_t off = 0;
    for (; err == GW_OK && off < 16u << 20; off += sizeof block)
        err = sync_write(file, off, block, sizeof block);
    assert_int_equal(err, GW_NO_SPACE);
    fs_abort(&file);
    assert_int_equal(sync_put(f->fs, "/x", "fits again"), GW_OK);
    char path[32];
    err = GW_OK;
    for (int i = 0; err == GW_OK && i < 100000; i++) {
        snprintf(path, sizeof path, "/d%d", i);
        err = sync_mkdir(f->fs, path);
    }
    assert_int_equal(err, GW_NO_SPACE);
    struct sync s = {.done = false};
    s.op = fs_statvfs(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    assert_int_equal(s.space.bfree, 0);
}

/* Renames can make a tree deeper than any path: it is still freed, without recursion. */
static void test_deep(void **state)
{
    struct fixture *f = *state;
    char deep[] = "/a/b/c/d/e/f/g/h";
    for (char *at = deep + 1; at != NULL; at = strchr(at + 1, '/')) {
        char *next = strchr(at + 1, '/');
        if (next != NULL)
            *next = '\0';
        assert_int_equal(sync_mkdir(f->fs, deep), GW_OK);
        if (next != NULL)
            *next = '/';
    }
    assert_int_equal(sync_mkdir(f->fs, "/x"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/x/y"), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/a", "/x/y/a", 0), GW_OK);
    assert_int_equal(sync_stat(f->fs, "/x/y/a/b/c/d/e/f/g/h", true, NULL), GW_OK);
}

static void test_allocations_fail(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char text[32];
    size_t n;
    assert_int_equal(sync_put(f->fs, "/a", "old"), GW_OK);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(sync_open(f->fs, "/a", UPLOAD, &file), GW_OK);
        mem_fail_after(i);
        enum gw_err err = sync_write(file, 0, "0123456789", 10);
        mem_fail_after(0);
        assert_true(err == GW_OK || err == GW_NO_SPACE);
        fs_abort(&file);
    }
    assert_int_equal(sync_open(f->fs, "/a", FS_READ, &file), GW_OK);
    mem_fail_after(1);
    assert_int_equal(sync_read(file, 0, text, sizeof text, &n), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_close(&file), GW_OK);
    mem_fail_after(1);
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/d/e"), GW_NO_MEMORY);
    mem_fail_after(0);
    assert_int_equal(sync_mkdir(f->fs, "/d/e"), GW_OK);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_files),
        ROW(test_names),
        ROW(test_links),
        ROW(test_shared_by_name),
        ROW(test_bounded),
        ROW(test_deep),
        ROW(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
