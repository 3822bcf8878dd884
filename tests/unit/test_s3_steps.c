/*
 * Operations on names, against a server with bad days: each cancelled at every step, and renames
 * whose requests fail. Whatever happens, no object is lost.
 */
#include "backends/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

static int setup(void **state)
{
    struct s3_lab *e = *state = mem_zalloc(sizeof *e);
    e->stub = s3_stub_start();
    s3_lab_conf(e, e->stub);
    e->conf.request_timeout_s = 2;
    e->conf.max_retries = 2;
    e->conf.stat_cache_ms = 0;
    e->conf.part_mb = 8;
    s3_lab_open(e, "p", NULL, 64 * S3_LAB_MIB);
    return 0;
}

static bool there(struct s3_lab *e, const char *key)
{
    return s3_stub_object(e->stub, key, NULL) >= 0;
}

/* ---- cancelled ---- */

static struct op *start_stat(struct s3_lab *e, struct sync *s)
{
    return fs_stat(e->fs, "/d/a", true, sync_done, s);
}

static struct op *start_opendir(struct s3_lab *e, struct sync *s)
{
    return fs_opendir(e->fs, "/d", sync_done, s);
}

static struct op *start_opendir_of_file(struct s3_lab *e, struct sync *s)
{
    return fs_opendir(e->fs, "/d/a", sync_done, s);
}

static struct op *start_mkdir(struct s3_lab *e, struct sync *s)
{
    return fs_mkdir(e->fs, "/new", NULL, sync_done, s);
}

static struct op *start_rmdir(struct s3_lab *e, struct sync *s)
{
    return fs_rmdir(e->fs, "/empty", sync_done, s);
}

static struct op *start_remove(struct s3_lab *e, struct sync *s)
{
    return fs_remove(e->fs, "/lone/file", sync_done, s);
}

static struct op *start_setstat(struct s3_lab *e, struct sync *s)
{
    static const struct fs_attr a = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    return fs_setstat(e->fs, "/d/a", true, &a, sync_done, s);
}

static struct op *start_rename(struct s3_lab *e, struct sync *s)
{
    return fs_rename(e->fs, "/lone/file", "/d/moved", 0, sync_done, s);
}

static struct op *start_rename_parts(struct s3_lab *e, struct sync *s)
{
    return fs_rename(e->fs, "/big", "/moved", 0, sync_done, s);
}

static struct op *start_rename_folder(struct s3_lab *e, struct sync *s)
{
    return fs_rename(e->fs, "/d", "/e", 0, sync_done, s);
}

static const struct {
    const char *name;
    struct op *(*start)(struct s3_lab *e, struct sync *s);
} cancels[] = {
    {"stat", start_stat},
    {"opendir", start_opendir},
    {"opendir of a file", start_opendir_of_file},
    {"mkdir", start_mkdir},
    {"rmdir", start_rmdir},
    {"remove", start_remove},
    {"setstat", start_setstat},
    {"rename", start_rename},
    {"rename in parts", start_rename_parts},
    {"rename of a folder", start_rename_folder},
};

static void fill(struct s3_lab *e)
{
    static uint8_t big[11 * S3_LAB_MIB];
    s3_stub_put(e->stub, "p/d/", "", 0);
    s3_stub_put(e->stub, "p/d/a", "aaa", 3);
    s3_stub_put(e->stub, "p/d/b", "bbb", 3);
    s3_stub_put(e->stub, "p/d/c", "ccc", 3);
    s3_stub_put(e->stub, "p/empty/", "", 0);
    s3_stub_put(e->stub, "p/lone/file", "lone", 4);
    if (!there(e, "p/big"))
        s3_stub_put(e->stub, "p/big", big, sizeof big);
}

static void assert_nothing_lost(struct s3_lab *e)
{
    static const char *const either[][2] = {
        {"p/d/a", "p/e/a"}, {"p/d/b", "p/e/b"}, {"p/d/c", "p/e/c"}, {"p/big", "p/moved"}};
    for (size_t i = 0; i < sizeof either / sizeof either[0]; i++)
        assert_true(there(e, either[i][0]) || there(e, either[i][1]));
}

static void clear(struct s3_lab *e)
{
    static const char *const paths[] = {"/e/a", "/e/b",     "/e/c",   "/e",
                                        "/new", "/d/moved", "/moved", NULL};
    for (size_t i = 0; paths[i] != NULL; i++)
        if (sync_remove(e->fs, paths[i]) == GW_IS_DIR)
            (void)sync_rmdir(e->fs, paths[i]);
}

static bool no_uploads(void *arg)
{
    return s3_stub_uploads(arg) == 0;
}

static void test_cancelled(void **state)
{
    struct s3_lab *e = *state;
    e->conf.copy_part_mb = 5;
    for (size_t i = 0; i < sizeof cancels / sizeof cancels[0]; i++) {
        bool finished = false;
        unsigned turns;
        for (turns = 0; !finished; turns++) {
            struct sync s = {0};
            fill(e);
            s.op = cancels[i].start(e, &s);
            assert_false(s.done);
            for (unsigned t = 0; t < turns && !s.done; t++)
                loop_turn(e->loop);
            finished = s.done;
            op_cancel(&s.op);
            for (unsigned t = 0; t < 3; t++)
                loop_poll(e->loop);
            assert_int_equal(s.done, finished);
            if (finished) {
                if (s.err != GW_OK && s.err != GW_NOT_DIR)
                    print_error("%s: %s %s\n", cancels[i].name, gw_err_name(s.err), s.text);
                assert_true(s.err == GW_OK || s.err == GW_NOT_DIR);
                fs_closedir(&s.dir);
            }
            s3_stub_settle(e->stub);
            assert_true(sync_until(e->loop, no_uploads, e->stub));
            s3_stub_settle(e->stub);
            assert_nothing_lost(e);
            clear(e);
            assert_true(turns < 2000);
        }
        print_message("          %s: %u steps\n", cancels[i].name, turns);
    }
    e->conf.copy_part_mb = 5120;
}

/* A read of a folder that is cancelled leaves the folder as it was. */
static void test_readdir_cancelled(void **state)
{
    struct s3_lab *e = *state;
    fill(e);
    for (unsigned turns = 0; turns < 3; turns++) {
        struct sync s = {0};
        s.op = fs_opendir(e->fs, "/d", sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), GW_OK);
        struct fs_dir *d = s.dir;
        s = (struct sync){0};
        s.op = fs_readdir(d, 10, sync_done, &s);
        for (unsigned t = 0; t < turns && !s.done; t++)
            loop_poll(e->loop);
        bool done = s.done;
        op_cancel(&s.op);
        loop_poll(e->loop);
        assert_int_equal(s.done, done);
        s = (struct sync){0};
        s.op = fs_readdir(d, 10, sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), done ? GW_EOF : GW_OK);
        fs_closedir(&d);
    }
}

/* ---- listings of odd servers ---- */

/* A first page may hold nothing and still have a successor. */
static void test_empty_page(void **state)
{
    struct s3_lab *e = *state;
    char names[64];
    static const struct {
        unsigned pages; /* empty ones before the names */
        const char *path;
        enum gw_err err;
    } rows[] = {
        {1, "/d", GW_OK}, {3, "/d", GW_OK}, {0, "/none", GW_NOT_FOUND}, {3, "/none", GW_NOT_FOUND}};
    struct fs_attr attr;
    fill(e);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s3_stub_fail(e->stub, S3_STUB_EMPTY_PAGE, "GET", "list-type", 0, rows[i].pages);
        assert_int_equal(sync_list(e->fs, rows[i].path, 10, names, sizeof names), rows[i].err);
        if (rows[i].err == GW_OK)
            assert_non_null(strchr(names, 'a'));
        s3_stub_fail(e->stub, S3_STUB_EMPTY_PAGE, "GET", "list-type", 0, rows[i].pages);
        assert_int_equal(sync_stat(e->fs, rows[i].path, true, &attr), rows[i].err);
    }
}

/* Tokens that come round again end a listing, of a folder and of a rename's source alike. */
static void test_cycle(void **state)
{
    struct s3_lab *e = *state;
    char names[4096];
    const unsigned many = 60;
    fill(e);
    s3_stub_fail(e->stub, S3_STUB_CYCLE, "GET", "list-type", 0, many);
    assert_int_equal(sync_list(e->fs, "/d", 10, names, sizeof names), GW_UPSTREAM);
    assert_true(s3_stub_failed(e->stub) < 10);
    s3_stub_fail(e->stub, S3_STUB_CYCLE, "GET", "list-type", 0, many);
    assert_int_equal(sync_rename(e->fs, "/d", "/e", 0), GW_UPSTREAM);
    assert_true(s3_stub_failed(e->stub) < 20);
    s3_stub_fail(e->stub, S3_STUB_NONE, "GET", "list-type", 0, 0);
    assert_nothing_lost(e);
}

/* Folders that are opened and not read to their end hold memory of the budget: one session gets a
 * share of it and is told so. What is read to its end holds nothing. */
static void test_half_read(void **state)
{
    enum { MOST = 300 };
    struct s3_lab *e = *state;
    struct fs_dir *open[MOST] = {NULL};
    struct sync s;
    size_t n = 0;
    fill(e);
    do {
        s = (struct sync){0};
        s.op = fs_opendir(e->fs, "/d", sync_done, &s);
        if (sync_wait(e->loop, &s) == GW_OK)
            open[n++] = s.dir;
    } while (s.err == GW_OK && n < MOST);
    assert_int_equal(s.err, GW_BUSY);
    assert_non_null(strstr(s.text, "not read to the end"));
    /* A folder of a few names holds little, and all of them leave room for sixteen such sessions.
     */
    assert_true(n > 10);
    assert_in_range(budget_used(e->budget), 1, budget_total(e->budget) / 128);
    size_t used = budget_used(e->budget);
    do {
        s = (struct sync){0};
        s.op = fs_readdir(open[0], 10, sync_done, &s);
    } while (sync_wait(e->loop, &s) == GW_OK);
    assert_int_equal(s.err, GW_EOF);
    assert_true(budget_used(e->budget) < used);
    s = (struct sync){0};
    s.op = fs_opendir(e->fs, "/d", sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    fs_closedir(&s.dir);
    while (n > 0)
        fs_closedir(&open[--n]);
    assert_int_equal(budget_used(e->budget), 0);
}

/* ---- renames on bad days ---- */

struct fault_row {
    const char *name;
    const char *from, *to;
    enum s3_stub_fault fault;
    const char *method, *part;
    unsigned skip, times;
    enum gw_err err;
    const char *text; /* a part of it */
    bool again;       /* the same rename succeeds when the fault is over */
};

static const struct fault_row fault_rows[] = {
    {"one slow-down", "/lone/file", "/d/moved", S3_STUB_SLOW_DOWN, "PUT", NULL, 0, 1, GW_OK, "",
     false},
    {"copy denied", "/lone/file", "/d/moved", S3_STUB_DENIED, "PUT", NULL, 0, 1, GW_DENIED,
     "S3 AccessDenied", true},
    {"an error in the copy's 200", "/lone/file", "/d/moved", S3_STUB_ERROR_IN_200, "PUT", NULL, 0,
     9, GW_UPSTREAM, "S3 ", true},
    {"the copy's answers lost", "/lone/file", "/d/moved", S3_STUB_LOSE_ANSWER, "PUT", NULL, 0, 9,
     GW_IO, "connection", false},
    {"the delete denied", "/lone/file", "/d/moved", S3_STUB_DENIED, "DELETE", NULL, 0, 9, GW_DENIED,
     "copied, but the old name could not be deleted: S3 AccessDenied", false},
    {"folder: the third copy denied", "/d", "/e", S3_STUB_DENIED, "PUT", NULL, 2, 1, GW_DENIED,
     "objects copied, nothing deleted; rename again to go on: S3 AccessDenied", true},
    {"folder: the second delete denied", "/d", "/e", S3_STUB_DENIED, "DELETE", NULL, 1, 1,
     GW_DENIED, "still under the old name; rename again to go on: S3 AccessDenied", true},
    {"folder: a listing cannot be had", "/d", "/e", S3_STUB_SLOW_DOWN, "GET", "list-type", 2, 9,
     GW_UPSTREAM, "S3 SlowDown", true},
};

static void test_rename_faults(void **state)
{
    struct s3_lab *e = *state;
    for (size_t i = 0; i < sizeof fault_rows / sizeof fault_rows[0]; i++) {
        const struct fault_row *r = &fault_rows[i];
        struct sync s = {0};
        fill(e);
        s3_stub_fail(e->stub, r->fault, r->method, r->part, r->skip, r->times);
        s.op = fs_rename(e->fs, r->from, r->to, 0, sync_done, &s);
        sync_wait(e->loop, &s);
        s3_stub_settle(e->stub); /* what was under way beside the request that failed */
        s3_stub_fail(e->stub, S3_STUB_NONE, "", NULL, 0, 0);
        if (s.err != r->err || strstr(s.text, r->text) == NULL)
            print_error("%s: %s \"%s\"\n", r->name, gw_err_name(s.err), s.text);
        assert_int_equal(s.err, r->err);
        assert_non_null(strstr(s.text, r->text));
        assert_nothing_lost(e);
        assert_true(there(e, "p/lone/file") || there(e, "p/d/moved"));
        if (r->again) {
            enum gw_err err = sync_rename(e->fs, r->from, r->to, 0);
            if (err != GW_OK)
                print_error("%s, again: %s\n", r->name, gw_err_name(err));
            assert_int_equal(err, GW_OK);
            assert_nothing_lost(e);
        }
        clear(e);
    }
}

/* Not one fault of a look is taken for a missing file. */
static void test_faults_are_not_absence(void **state)
{
    struct s3_lab *e = *state;
    static const struct {
        enum s3_stub_fault fault;
        const char *method, *part;
        enum gw_err err;
    } looks[] = {
        {S3_STUB_SLOW_DOWN, "GET", "list-type", GW_UPSTREAM},
        {S3_STUB_SLOW_DOWN, "HEAD", NULL, GW_UPSTREAM},
        {S3_STUB_LOSE_ANSWER, "GET", "list-type", GW_IO},
        {S3_STUB_DENIED, "HEAD", NULL, GW_DENIED},
        {S3_STUB_ERROR_IN_200, "GET", "list-type", GW_UPSTREAM},
    };
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        struct fs_attr a;
        char list[64];
        s3_stub_fail(e->stub, looks[i].fault, looks[i].method, looks[i].part, 0, 99);
        enum gw_err err = sync_stat(e->fs, "/none", true, &a);
        if (err != looks[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, looks[i].err);
        assert_int_equal(sync_remove(e->fs, "/none"), looks[i].err);
        assert_int_equal(sync_mkdir(e->fs, "/none"), looks[i].err);
        err = sync_list(e->fs, "/none", 10, list, sizeof list);
        assert_int_equal(err, looks[i].err);
        s3_stub_fail(e->stub, S3_STUB_NONE, "", NULL, 0, 0);
        assert_int_equal(sync_stat(e->fs, "/none", true, &a), GW_NOT_FOUND);
    }
}

/* Who may read but not list still sees files. */
static void test_no_right_to_list(void **state)
{
    struct s3_lab *e = *state;
    struct fs_attr a;
    fill(e);
    s3_stub_fail(e->stub, S3_STUB_DENIED, "GET", "list-type", 0, 99);
    assert_int_equal(sync_stat(e->fs, "/d/a", true, &a), GW_OK);
    assert_int_equal(a.size, 3);
    assert_int_equal(sync_stat(e->fs, "/d/none", true, &a), GW_DENIED);
    s3_stub_fail(e->stub, S3_STUB_NONE, "", NULL, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_readdir_cancelled),
        cmocka_unit_test(test_empty_page),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_half_read),
        cmocka_unit_test(test_rename_faults),
        cmocka_unit_test(test_faults_are_not_absence),
        cmocka_unit_test(test_no_right_to_list),
    };
    return cmocka_run_group_tests(tests, setup, s3_lab_teardown);
}
