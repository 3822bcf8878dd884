#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fail_fs.h"
#include "tests/support/quotakit.h"
#include "tests/support/sync.h"

static void test_no_limit_no_layer(void **state)
{
    struct quotakit *f = *state;
    quotakit_begin(f, (struct identity_limits){.sessions = 3, .upload_kib_s = 4});
    assert_null(f->fs);
}

static void test_what_is_there_counts(void **state)
{
    struct quotakit *f = *state;
    assert_int_equal(sync_mkdir(f->raw, "/a"), GW_OK);
    assert_int_equal(sync_mkdir(f->raw, "/a/b"), GW_OK);
    assert_int_equal(sync_mkdir(f->raw, "/ro"), GW_OK);
    quotakit_put_raw(f, "/one", 10);
    quotakit_put_raw(f, "/a/two", 20);
    quotakit_put_raw(f, "/a/b/three", 30);
    quotakit_put_raw(f, "/ro/not", 200); /* the user can do nothing about it */
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_used(f).files, 3);
    quotakit_assert_left(f, 40);
}

static void test_every_change_counts(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_put(f, "/a", 60), GW_OK);
    quotakit_assert_left(f, 40);
    assert_int_equal(quotakit_put(f, "/a", 101),
                     GW_QUOTA); /* an upload that fails leaves the old one */
    quotakit_assert_left(f, 40);
    assert_int_equal(quotakit_put(f, "/a", 20), GW_OK);
    quotakit_assert_left(f, 80);
    assert_int_equal(quotakit_put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/b", "/c", 0), GW_OK);
    quotakit_assert_left(f, 30);
    assert_int_equal(sync_rename(f->fs, "/a", "/c", FS_RENAME_OVERWRITE), GW_OK);
    quotakit_assert_left(f, 80);
    assert_int_equal(sync_remove(f->fs, "/nothing"), GW_NOT_FOUND);
    assert_int_equal(sync_remove(f->fs, "/c"), GW_OK);
    quotakit_assert_left(f, 100);
    /* Thrown away before its close. */
    assert_int_equal(sync_open(f->fs, "/d", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "0123456789", 10), GW_OK);
    quotakit_assert_left(f, 90);
    fs_abort(&file);
    quotakit_assert_left(f, 100);
    /* In place. */
    assert_int_equal(quotakit_put(f, "/e", 10), GW_OK);
    assert_int_equal(sync_open(f->fs, "/e", FS_WRITE, &file), GW_OK);
    assert_int_equal(sync_write(file, 5, "0123456789", 10), GW_OK);
    assert_int_equal(sync_write(file, 95, "0123456789", 10), GW_QUOTA);
    fs_abort(&file);
    quotakit_assert_left(f, 85);
    const struct fs_attr shorter = {.set = FS_ATTR_SIZE, .size = 1};
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 101};
    assert_int_equal(sync_setstat(f->fs, "/e", true, &shorter), GW_OK);
    quotakit_assert_left(f, 99);
    assert_int_equal(sync_setstat(f->fs, "/e", true, &longer), GW_QUOTA);
    quotakit_assert_left(f, 99);
}

/* Two uploads of one name: the second to be closed replaces the first. */
static void test_one_name_twice(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *a = NULL, *b = NULL;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &b), GW_OK);
    assert_int_equal(sync_write(a, 0, "0123456789", 10), GW_OK);
    assert_int_equal(sync_write(b, 0, "0123456789", 10), GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    assert_int_equal(quotakit_used(f).files, 1);
    quotakit_assert_left(f, 90);
}

/* What two replace at the same moment is given back once. */
static void test_replaced_twice_at_once(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *file[2] = {NULL, NULL};
    struct sync s[2] = {{.op = NULL}, {.op = NULL}};
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_put(f, "/x", 60), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_TRUNC, &file[i]), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        s[i].op = fs_close(&file[i], sync_done, &s[i]);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_wait(f->loop, &s[i]), GW_OK);
    quotakit_assert_left(f, 100);
}

/* The same for files that are changed in place, by whatever name they go meanwhile. */
static void test_in_place_twice(void **state)
{
    static const char ten[10] = "0123456789";
    const struct fs_attr empty = {.set = FS_ATTR_SIZE, .size = 0};
    struct quotakit *f = *state;
    struct fs_file *a = NULL, *b = NULL;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_put(f, "/a", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &b), GW_OK);
    quotakit_set_size(a, 0, GW_OK);
    quotakit_set_size(b, 0, GW_OK);
    assert_int_equal(sync_close(&a), GW_OK);
    assert_int_equal(sync_close(&b), GW_OK);
    quotakit_assert_left(f, 100);

    for (unsigned renamed = 0; renamed < 2; renamed++) {
        assert_int_equal(quotakit_put(f, "/a", 10), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &a), GW_OK);
        if (renamed)
            assert_int_equal(sync_rename(f->fs, "/a", "/b", 0), GW_OK);
        assert_int_equal(sync_setstat(f->fs, renamed ? "/b" : "/a", true, &empty), GW_OK);
        assert_int_equal(sync_write(a, 0, ten, sizeof ten), GW_OK);
        assert_int_equal(sync_close(&a), GW_OK);
        quotakit_assert_left(f, 90);
    }
}

/* A file with two names counts twice, and grows under both. */
static void test_two_names(void **state)
{
    struct quotakit *f = *state;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_put(f, "/a", 0), GW_OK);
    assert_int_equal(sync_hardlink(f->fs, "/a", "/b"), GW_OK);
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 60};
    assert_int_equal(sync_setstat(f->fs, "/a", true, &longer), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/b"), GW_OK);
    quotakit_assert_left(f, 40);
    assert_int_equal(quotakit_used(f).files, 1);
}

/* An upload over a file that has moved away replaces nothing. */
static void test_replaced_has_moved(void **state)
{
    static const char text[60] = "";
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 50});
    assert_int_equal(quotakit_put(f, "/x", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/x", "/y", 0), GW_OK);
    assert_int_equal(sync_close(&file), GW_QUOTA);
    quotakit_assert_left(f, 40);
    assert_int_equal(quotakit_used(f).files, 1);
}

/* A store that cannot cut a file keeps all of it. */
static void test_not_cut(void **state)
{
    static const char text[60] = "";
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    fail_fs_set(f->faulty.view, &(struct fail_fs_rule){.call = FAIL_FS_FSETSTAT,
                                                       .how = FAIL_FS_BEFORE,
                                                       .err = GW_UNSUPPORTED});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    quotakit_set_size(file, 0, GW_UNSUPPORTED);
    quotakit_set_size(file, 100, GW_UNSUPPORTED); /* nor is there more, then */
    quotakit_assert_left(f, 40);
    assert_int_equal(sync_close(&file), GW_OK);
    quotakit_assert_left(f, 40);
}

/* Nor does one whose close fails give anything back. */
static void test_close_fails_in_place(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(quotakit_put(f, "/x", 60), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){
                    .call = FAIL_FS_CLOSE, .how = FAIL_FS_BEFORE, .times = 1, .err = GW_IO});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE, &file), GW_OK);
    quotakit_set_size(file, 0, GW_OK);
    assert_int_equal(sync_close(&file), GW_IO);
    assert_int_equal(quotakit_counted(), 60);
}

/* The client leaves while its file is being stored: it may be there. */
static void test_close_cancelled(void **state)
{
    static const char text[60] = "";
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    struct sync s = {.op = NULL};
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(sync_open(f->fs, "/x", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
    s.op = fs_close(&file, sync_done, &s);
    op_cancel(&s.op);
    quotakit_assert_left(f, 40);
}

/* No more is copied than was charged, however the source grows meanwhile. */
static void test_copy_of_what_grows(void **state)
{
    const struct fs_attr longer = {.set = FS_ATTR_SIZE, .size = 50};
    struct quotakit *f = *state;
    struct fs_file *from = NULL, *to = NULL;
    struct fs_attr attr;
    struct sync s = {.op = NULL};
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(quotakit_put(f, "/a", 10), GW_OK);
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
    quotakit_assert_left(f, 40);
}

static void test_files(void **state)
{
    struct quotakit *f = *state;
    quotakit_begin_on(f, "faulty",
                      (struct identity_limits){.quota_files = 2}); /* "m" has no links here */
    assert_int_equal(quotakit_put(f, "/a", 1), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    assert_int_equal(quotakit_put(f, "/b", 0), GW_QUOTA);
    assert_int_equal(sync_symlink(f->fs, "a", "/m"), GW_QUOTA);
    assert_int_equal(quotakit_put(f, "/a", 200), GW_OK);
    assert_int_equal(sync_mkdir(f->fs, "/folder"), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/l"), GW_OK);
    assert_int_equal(quotakit_put(f, "/b", 0), GW_OK);
    assert_int_equal(quotakit_used(f).files, 2);
}

static void test_largest_file(void **state)
{
    struct quotakit *f = *state;
    struct fs_attr attr;
    quotakit_begin(f, (struct identity_limits){.max_file_bytes = 50});
    assert_int_equal(quotakit_put(f, "/a", 50), GW_OK);
    assert_int_equal(quotakit_put(f, "/a", 51), GW_TOO_LARGE);
    assert_int_equal(quotakit_put(f, "/b", 51), GW_TOO_LARGE);
    assert_int_equal(sync_stat(f->raw, "/b", true, &attr), GW_NOT_FOUND);
    assert_int_equal(sync_stat(f->raw, "/a", true, &attr), GW_OK);
    assert_int_equal(attr.size, 50);
}

/* Each of several handles that append sees what the others have. */
static void test_largest_file_by_appends(void **state)
{
    static const char ten[10] = "0123456789";
    static const uint64_t quotas[] = {0, 1000};
    struct quotakit *f = *state;
    for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++) {
        const struct identity_limits limits = {.max_file_bytes = 50, .quota_bytes = quotas[i]};
        struct fs_file *a = NULL, *b = NULL, *from = NULL;
        struct sync s = {.op = NULL};
        struct fs_attr attr;
        fs_free(&f->fs);
        vfs_free(&f->v);
        quotakit_begin(f, limits);
        assert_int_equal(quotakit_put(f, "/a", 40), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &a), GW_OK);
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_APPEND, &b), GW_OK);
        assert_int_equal(sync_write(a, 0, ten, sizeof ten), GW_OK);
        assert_int_equal(sync_write(b, 0, ten, sizeof ten), GW_TOO_LARGE);
        assert_int_equal(sync_write(a, 0, ten, 1), GW_TOO_LARGE);
        assert_int_equal(quotakit_put(f, "/from", 1), GW_OK);
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
    struct quotakit *f = *state;
    struct fs_file *a = NULL;
    struct sync s = {.op = NULL};
    quotakit_begin(f, (struct identity_limits){.max_file_bytes = 50});
    assert_int_equal(quotakit_put(f, "/a", 40), GW_OK);
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
    struct quotakit *f = *state;
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .max_file_bytes = 70});
    assert_int_equal(quotakit_put(f, "/a", 40), GW_OK);
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
        quotakit_assert_left(f, i == 0 ? 20 : 60);
    }
}

/* A folder that cannot be listed: uploads are refused in words that say which, but where it is
 * somebody else's and nobody else may write there. */
static void test_unreadable_folder(void **state)
{
    struct quotakit *f = *state;
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
    quotakit_put_raw(f, "/hidden", 90);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fs_attr attr = {.set = FS_ATTR_OWNER | FS_ATTR_MODE,
                               .uid = geteuid() + rows[i].uid_off,
                               .mode = rows[i].mode};
        struct sync s = {.op = NULL};
        assert_int_equal(sync_setstat(f->raw, "/", true, &attr), GW_OK);
        quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
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
            assert_int_equal(quotakit_put(f, "/more", 101), GW_QUOTA);
        fs_free(&f->fs);
        vfs_free(&f->v);
    }
}

/* Every operation, cancelled at each of its steps: nothing is charged for it afterwards. */
static void test_cancelled(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    quotakit_put_raw(f, "/one", 10);
    for (unsigned turns = 0; turns < 40; turns++) {
        struct sync s = {.op = NULL};
        quotakit_begin(f, (struct identity_limits){.quota_bytes = 100, .quota_files = 2});
        s.op = fs_open(f->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, NULL, sync_done, &s);
        for (unsigned i = 0; i < turns && !s.done; i++)
            loop_poll(f->loop);
        if (s.done)
            fs_abort(&s.file);
        else
            op_cancel(&s.op);
        assert_int_equal(quotakit_used(f).files, 1);
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

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, quotakit_setup, quotakit_teardown)

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
        ROW(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
