/* What counts too much is counted anew before anybody is refused for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/fail_fs.h"
#include "tests/support/quotakit.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

static void drift_by_links(struct quotakit *f)
{
    assert_int_equal(quotakit_put(f, "/a", 50), GW_OK);
    assert_int_equal(quotakit_put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "a", "/l"), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/a", "/b", FS_RENAME_OVERWRITE), GW_OK);
}

static void drift_by_names(struct quotakit *f)
{
    assert_int_equal(quotakit_put(f, "/a", 50), GW_OK);
    assert_int_equal(sync_hardlink(f->fs, "/a", "/b"), GW_OK);
    assert_int_equal(sync_remove(f->fs, "/a"), GW_OK);
}

static void drift_by_handles(struct quotakit *f)
{
    static const char text[50] = "";
    struct fs_file *file[2] = {NULL, NULL};
    assert_int_equal(quotakit_put(f, "/a", 50), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_open(f->fs, "/a", FS_WRITE, &file[i]), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_write(file[i], 0, text, sizeof text), GW_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sync_close(&file[i]), GW_OK);
}

static void drift_by_others(struct quotakit *f)
{
    assert_int_equal(quotakit_put(f, "/a", 50), GW_OK);
    assert_int_equal(quotakit_put(f, "/b", 50), GW_OK);
    assert_int_equal(sync_remove(f->raw, "/b"), GW_OK);
}

/* Whatever was counted too much, nobody is refused for it; nor is anybody counted for again and
 * again who is refused for good reason. */
static void test_refused_by_a_new_count_only(void **state)
{
    static void (*const rows[])(struct quotakit *) = {drift_by_links, drift_by_names,
                                                      drift_by_handles, drift_by_others};
    struct quotakit *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
        rows[i](f);
        assert_int_equal(quotakit_counted(), 100);
        assert_int_equal(quotakit_put(f, "/new", 50), GW_OK);
        assert_int_equal(quotakit_counted(), 100);
        unsigned listed = fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR);
        assert_int_equal(quotakit_put(f, "/more", 1), GW_QUOTA);
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
    struct quotakit *f = *state;
    for (unsigned i = 0; i < 6; i++) {
        struct fs_file *file = NULL, *from = NULL;
        struct sync s = {.op = NULL};
        static const char text[60] = "";
        enum gw_err err = GW_OK;
        quotakit_begin_on(f, "faulty",
                          (struct identity_limits){.quota_bytes = 100, .quota_files = 3});
        assert_int_equal(quotakit_put(f, "/a", 20), GW_OK);
        if (i == 5) {
            assert_int_equal(quotakit_put(f, "/new", 60), GW_OK);
            assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_TRUNC, &file), GW_OK);
            assert_int_equal(sync_write(file, 0, text, sizeof text), GW_OK);
            assert_int_equal(sync_remove(f->fs, "/new"), GW_OK);
        }
        assert_int_equal(quotakit_put(f, "/b", 40), GW_OK);
        assert_int_equal(quotakit_put(f, "/c", i == 5 ? 20 : 40), GW_OK);
        if (i >= 2 && i < 5) {
            assert_int_equal(
                sync_open(f->fs, "/a", i == 2 ? FS_WRITE : FS_WRITE | FS_APPEND, &file), GW_OK);
            assert_int_equal(sync_open(f->fs, "/c", FS_READ, &from), GW_OK);
        }
        assert_int_equal(sync_remove(f->raw, "/b"), GW_OK); /* and nobody knows */
        if (i == 0)
            err = quotakit_put(f, "/new", 20);
        else if (i == 1)
            err = sync_setstat(f->fs, "/a", true, &longer);
        else if (i == 2)
            quotakit_set_size(file, 60, GW_OK);
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
    struct quotakit *f = *state;
    struct fs_file *up = NULL, *cut = NULL, *late = NULL;
    struct sync closing = {.op = NULL}, opening = {.op = NULL};
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 200, .quota_files = 5});
    assert_int_equal(quotakit_put(f, "/cut", 60), GW_OK);
    assert_int_equal(quotakit_put(f, "/a", 20), GW_OK);
    assert_int_equal(sync_open(f->fs, "/up", FS_WRITE | FS_CREATE | FS_TRUNC, &up), GW_OK);
    assert_int_equal(sync_write(up, 0, text, sizeof text), GW_OK);
    assert_int_equal(sync_open(f->fs, "/cut", FS_WRITE, &cut), GW_OK);
    quotakit_set_size(cut, 0, GW_OK); /* given back when it is closed */
    assert_int_equal(sync_open(f->fs, "/late", FS_WRITE | FS_CREATE | FS_TRUNC, &late), GW_OK);
    assert_int_equal(sync_write(late, 0, text, 40), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){.call = FAIL_FS_CLOSE, .how = FAIL_FS_HOLD, .times = 1});
    closing.op = fs_close(&late, sync_done, &closing);
    unsigned listed = fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR);
    assert_int_equal(quotakit_counted(), 180);
    opening.op = fs_write(up, 60, gw_span_of(text, 30), sync_done, &opening);
    for (unsigned i = 0; i < 20; i++)
        loop_poll(f->loop);
    assert_int_equal(fail_fs_calls(f->faulty.view, FAIL_FS_OPENDIR), listed); /* it waits */
    fail_fs_release(f->faulty.view);
    assert_int_equal(sync_wait(f->loop, &opening), GW_OK);
    assert_int_equal(sync_wait(f->loop, &closing), GW_OK);
    assert_int_equal(quotakit_counted(), 20 + 90 + 40);
    assert_int_equal(sync_write(cut, 0, text, sizeof text), GW_QUOTA); /* it is paid for anew */
    assert_int_equal(sync_write(cut, 0, text, 50), GW_OK);
    assert_int_equal(sync_close(&cut), GW_OK);
    assert_int_equal(sync_close(&up), GW_OK);
    assert_int_equal(quotakit_counted(), 20 + 90 + 40 + 50);
}

/* A close that hangs holds nobody up: what is refused goes by the last count. */
static void test_not_quiet(void **state)
{
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    struct sync closing = {.op = NULL};
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_files = 1});
    assert_int_equal(sync_open(f->fs, "/a", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    fail_fs_set(f->faulty.view,
                &(struct fail_fs_rule){.call = FAIL_FS_CLOSE, .how = FAIL_FS_HOLD, .times = 1});
    closing.op = fs_close(&file, sync_done, &closing);
    assert_int_equal(quotakit_put(f, "/b", 1), GW_QUOTA);
    assert_false(closing.done);
    assert_int_equal(sync_mkdir(f->fs, "/folder"), GW_OK);
    fail_fs_release(f->faulty.view);
    assert_int_equal(sync_wait(f->loop, &closing), GW_OK);
    assert_int_equal(quotakit_used(f).files, 1);
}

/* A file that grows in its place is counted as far as it has come; and what is cut then is free. */
static void test_counted_in_place(void **state)
{
    static const char text[100] = "";
    struct quotakit *f = *state;
    struct fs_file *file = NULL;
    char root[PATH_MAX];
    storekit_folder(root);
    struct backend *memory = f->faulty.store;
    f->faulty.store = storekit_local(f->loop, root, false);
    struct fs *raw = storekit_view(f->faulty.store, "");
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    assert_int_equal(quotakit_put(f, "/a", 60), GW_OK);
    assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, text, 40), GW_OK);
    assert_int_equal(sync_remove(raw, "/a"), GW_OK); /* and nobody knows */
    assert_int_equal(sync_write(file, 40, text, 40), GW_OK);
    assert_int_equal(quotakit_counted(), 80);
    quotakit_set_size(file, 10, GW_OK);
    assert_int_equal(sync_write(file, 10, text, 50), GW_OK);
    assert_int_equal(sync_write(file, 60, text, 41), GW_QUOTA);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(quotakit_counted(), 60);
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
    struct quotakit *f = *state;
    for (unsigned turns = 0; turns < 30; turns++) {
        struct sync s = {.op = NULL};
        quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_files = 1});
        assert_int_equal(quotakit_put(f, "/a", 1), GW_OK);
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
    struct quotakit *f = *state;
    quotakit_begin_on(f, "faulty", (struct identity_limits){.quota_bytes = 100});
    drift_by_others(f);
    fail_fs_set(
        f->faulty.view,
        &(struct fail_fs_rule){.call = FAIL_FS_OPENDIR, .how = FAIL_FS_BEFORE, .err = GW_UPSTREAM});
    assert_int_equal(quotakit_put(f, "/new", 1), GW_QUOTA);
    assert_int_equal(quotakit_put(f, "/a", 10), GW_OK);
    assert_int_equal(quotakit_counted(), 60);
}

/* Whoever goes while it counts leaves the count to the next. */
static void test_ends_while_it_counts(void **state)
{
    struct quotakit *f = *state;
    quotakit_put_raw(f, "/one", 10);
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100});
    fs_free(&f->fs);
    vfs_free(&f->v);
    quotakit_begin(f, (struct identity_limits){.quota_bytes = 100});
    quotakit_assert_left(f, 90);
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, quotakit_setup, quotakit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_refused_by_a_new_count_only),
        ROW(test_refusals),
        ROW(test_counted_beside_others),
        ROW(test_counted_in_place),
        ROW(test_not_quiet),
        ROW(test_recount_cancelled),
        ROW(test_recount_fails),
        ROW(test_ends_while_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
