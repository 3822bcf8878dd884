/* The kind `http` with the dialect httpfs, on bad days: tests/support/web_stub.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/sync.h"
#include "tests/support/webkit.h"

static void test_statuses(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_status_row rows[] = {
        {"stat", webkit_stat, 401, 0, GW_DENIED, 1},
        {"stat", webkit_stat, 403, 0, GW_DENIED, 1},
        {"stat", webkit_stat, 404, 0, GW_NOT_FOUND, 1},
        {"stat", webkit_stat, 405, 0, GW_UNSUPPORTED, 1},
        {"stat", webkit_stat, 423, 0, GW_LOCKED, 1},
        {"stat", webkit_stat, 500, 0, GW_UPSTREAM, 2},
        {"readdir", webkit_list, 403, 0, GW_DENIED, 1},
        {"readdir", webkit_list, 404, 0, GW_NOT_FOUND, 1},
        {"readdir", webkit_list, 429, 0, GW_UPSTREAM, 2},
        {"open", webkit_get, 401, 0, GW_DENIED, 1},
        {"open", webkit_get, 404, 0, GW_NOT_FOUND, 1},
        {"open", webkit_get, 412, 0, GW_CHANGED, 1},
        {"open", webkit_get, 416, 0, GW_UPSTREAM, 1}, /* it has bytes, says the look */
        {"open", webkit_get, 502, 0, GW_UPSTREAM, 2},
        {"open", webkit_get, 503, 0, GW_UPSTREAM, 2},
        {"create", webkit_put, 401, 0, GW_DENIED, 1},
        {"create", webkit_put, 404, 0, GW_NO_PATH, 1},
        {"create", webkit_put, 413, 0, GW_TOO_LARGE, 1},
        {"create", webkit_put, 423, 0, GW_LOCKED, 1},
        {"create", webkit_put, 500, 0, GW_UPSTREAM, 2}, /* of a reserved name: may be repeated */
        {"create", webkit_put, 507, 0, GW_NO_SPACE, 1},
        {"rename", webkit_put, 403, 0, GW_DENIED, 1},
        {"rename", webkit_put, 409, 0, GW_EXISTS, 1},
        {"rename", webkit_put, 500, 0, GW_UPSTREAM, 1},
        {"rename", webkit_put, 507, 0, GW_NO_SPACE, 1},
        {"rename", webkit_rename, 404, 0, GW_NOT_FOUND, 1},
        {"rename", webkit_rename, 409, 0, GW_EXISTS, 1},
        {"rename", webkit_rename, 423, 0, GW_LOCKED, 1},
        {"rename", webkit_rename, 501, 0, GW_UNSUPPORTED, 1},
        {"rename", webkit_rename, 503, 0, GW_UPSTREAM, 1}, /* perhaps done: not said twice */
        {"remove", webkit_remove, 403, 0, GW_DENIED, 1},
        {"remove", webkit_remove, 423, 0, GW_LOCKED, 1},
        {"remove", webkit_remove, 502, 0, GW_UPSTREAM, 2},
        {"mkdir", webkit_mkdir, 403, 0, GW_DENIED, 1},
        {"mkdir", webkit_mkdir, 404, 0, GW_NO_PATH, 1},
        {"mkdir", webkit_mkdir, 409, 0, GW_EXISTS, 1},
        {"mkdir", webkit_mkdir, 500, 0, GW_UPSTREAM, 1},
        {"mkdir", webkit_mkdir, 507, 0, GW_NO_SPACE, 1},
        {"chmod", webkit_chmod, 403, 0, GW_DENIED, 1},
        {"chmod", webkit_chmod, 501, 0, GW_OK, 1}, /* "setstat": "ignore" */
        {"chtimes", webkit_utime, 404, 0, GW_NOT_FOUND, 1},
        {"chtimes", webkit_utime, 501, 0, GW_OK, 1},
        {"statvfs", webkit_space, 501, 0, GW_UNSUPPORTED, 1},
        {"statvfs", webkit_space, 500, 0, GW_UPSTREAM, 2},
    };
    assert_int_equal(webkit_statuses(e, rows, sizeof rows / sizeof rows[0]), 0);
}

static void test_words(void **state)
{
    struct webkit *e = *state;
    static const struct {
        unsigned status;
        const char *body, *words;
    } rows[] = {
        {401, NULL, "the server does not accept postern's credentials (HTTP status 401)"},
        {423, NULL, "the file is locked on the server (HTTP status 423)"},
        {507, "", "the server has no space left (HTTP status 507)"},
        {403, "{\"message\": \"not on a Sunday\"}", "not on a Sunday"},
        {403, "{\"message\": \"two\\nlines\\u0000\"}",
         "the server does not allow it (HTTP status 403)"},
        {403, "{\"message\": \"two\\nlines\"}", "twolines"},
        {403, "{\"message\": 5}", "the server does not allow it (HTTP status 403)"},
        {403, "<html>no</html>", "the server does not allow it (HTTP status 403)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[FS_TEXT_MAX];
        web_stub_fail(e->stub, WEB_STUB_STATUS, "stat", 0, 1, rows[i].status, rows[i].body);
        webkit_words(e, text);
        assert_string_equal(text, rows[i].words);
    }
}

static void test_reads(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_read_row rows[] = {
        {WEB_STUB_NONE, 0, 0, GW_OK, GW_OK},
        {WEB_STUB_TRUNCATE, 0, 3, GW_OK, GW_OK}, /* it goes on from there */
        {WEB_STUB_SHORT, 1, 3, GW_OK, GW_OK},
        {WEB_STUB_STALL, 1, 1, GW_OK, GW_OK},
        {WEB_STUB_NO_RANGE, 0, 99, GW_OK, GW_OK}, /* a server of the plain contract */
        {WEB_STUB_NO_OFFSET, 0, 1, GW_OK, GW_OK},
        {WEB_STUB_NO_OFFSET, 0, 99, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_NO_OFFSET, 1, 1, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 0, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 1, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_ETAG, 1, 9, GW_CHANGED, GW_CHANGED},
        {WEB_STUB_OTHER_SIZE, 1, 9, GW_CHANGED, GW_CHANGED},
        {WEB_STUB_HANG, 1, 1, GW_OK, GW_OK},
        /* Never bytes of another answer. Last: what is too much stays in a connection. */
        {WEB_STUB_LONG, 0, 3, GW_OK, GW_UPSTREAM},
    };
    assert_int_equal(webkit_reads(e, "open", rows, sizeof rows / sizeof rows[0]), 0);
}

static void test_replaced_while_read(void **state)
{
    assert_int_equal(webkit_read_replaced(*state), GW_CHANGED);
}

static void test_uploads(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_upload_row rows[] = {
        {webkit_write_big, WEB_STUB_NONE, NULL, 0, GW_OK, GW_OK},
        {webkit_write_small, WEB_STUB_NONE, NULL, 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_LOSE_ANSWER, "create", 0, GW_OK, GW_OK},
        {webkit_write_small, WEB_STUB_LOSE_ANSWER, "create", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_LOSE_ANSWER, "rename", 0, GW_OK, GW_OK},
        {webkit_write_small, WEB_STUB_LOSE_ANSWER, "rename", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_CUT_REQUEST, "create", 0, GW_IO, GW_IO},
        {webkit_write_small, WEB_STUB_CUT_REQUEST, "create", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_STATUS, "create", 403, GW_DENIED, GW_DENIED},
        {webkit_write_big, WEB_STUB_KEEP, "create", 1000, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_big, WEB_STUB_STATUS, "create", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_small, WEB_STUB_STATUS, "create", 503, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_HANG, "create", 0, GW_TIMEOUT, GW_TIMEOUT},
        {webkit_write_small, WEB_STUB_REDIRECT, "create", 0, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_big, WEB_STUB_EARLY, "create", 413, GW_TOO_LARGE, GW_TOO_LARGE},
        {webkit_write_big, WEB_STUB_EARLY, "create", 201, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "create", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "create", 401, GW_DENIED, GW_DENIED},
        {webkit_write_big, WEB_STUB_EARLY_RESET, "create", 413, GW_TOO_LARGE, GW_IO},
    };
    assert_int_equal(webkit_uploads(e, rows, sizeof rows / sizeof rows[0]), 0);
}

/* What may be done only once is not said twice: its effect is looked for. */
static void test_lost_answers(void **state)
{
    struct webkit *e = *state;
    static const struct {
        const char *word;
        webkit_fn *act;
        enum gw_err err;
    } rows[] = {
        {"rename", webkit_rename, GW_OK}, {"remove", webkit_remove, GW_OK},
        {"stat", webkit_stat, GW_OK},     {"open", webkit_get, GW_OK},
        {"readdir", webkit_list, GW_OK},  {"mkdir", webkit_mkdir, GW_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_put(e->stub, "f", "old", 3);
        /* Twice: libcurl itself asks again on a new connection when an old one ends. */
        web_stub_fail(e->stub, WEB_STUB_LOSE_ANSWER, rows[i].word, 0, 2, 0, NULL);
        enum gw_err err = rows[i].act(e);
        if (err != rows[i].err)
            print_error("row %s: %s\n", rows[i].word, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        (void)sync_remove(e->fs, "/g");
    }
}

static void test_listings(void **state)
{
    struct webkit *e = *state;
    static const struct {
        const char *body;
        enum gw_err err;
        const char *names;
    } rows[] = {
        {"[{\"name\":\"a\",\"mode\":420},{\"name\":\"b\",\"mode\":2147484141}]", GW_OK, "a b/"},
        {"null", GW_OK, ""},
        {"[{\"name\":\"a/b\",\"mode\":0},{\"name\":\"..\",\"mode\":0},{\"name\":\"\",\"mode\":0},"
         "{\"name\":\"c\",\"mode\":0}]",
         GW_OK, "c"}, /* names that no path can have are not shown */
        {"[{\"name\":\".gateway-upload.0123456789abcdef\",\"mode\":0}]", GW_OK, ""},
        {"[{\"mode\":0}]", GW_UPSTREAM, NULL},
        {"[{\"name\":\"a\",\"size\":\"5\",\"mode\":420}]", GW_UPSTREAM, NULL},
        {"[{\"name\":\"a\",\"size\":null,\"mode\":2147484141}]", GW_OK, "a/"},
        {"[{\"name\":\"a\"}]", GW_UPSTREAM, NULL},
        {"[{\"name\":\"a\",\"mode\":420}", GW_UPSTREAM, NULL},
        {"[{\"name\":\"\xff\",\"mode\":420}]", GW_UPSTREAM, NULL},
        {"{\"message\":\"no\"}", GW_UPSTREAM, NULL},
        {"<html/>", GW_UPSTREAM, NULL},
        {"", GW_UPSTREAM, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char names[256] = "";
        web_stub_fail(e->stub, WEB_STUB_TEXT, "readdir", 0, 1, 0, rows[i].body);
        enum gw_err err = sync_list(e->fs, "/", 100, names, sizeof names);
        if (err != rows[i].err || (err == GW_OK && strcmp(names, rows[i].names) != 0))
            print_error("row %zu: %s \"%s\"\n", i, gw_err_name(err), names);
        assert_int_equal(err, rows[i].err);
        if (err == GW_OK)
            assert_string_equal(names, rows[i].names);
    }
}

/* A size that is not told is not 0: what there is comes from the answer to `open`. */
static void test_no_size(void **state)
{
    struct webkit *e = *state;
    char text[100] = "";
    web_stub_put(e->stub, "f", "text", 4);
    web_stub_fail(e->stub, WEB_STUB_TEXT, "stat", 0, 1, 0, "{\"name\":\"f\",\"mode\":420}");
    assert_int_equal(sync_get(e->fs, "/f", text, sizeof text), GW_OK);
    assert_string_equal(text, "text");
}

/* A frame that wants a slash behind every path (Django, Flask) does not make a folder of a file. */
static void test_slash_behind(void **state)
{
    struct webkit *e = *state;
    web_stub_put(e->stub, "f", "text", 4);
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, "stat", 0, 1, 0, "/fs/stat/%2Ff/");
    assert_int_equal(webkit_stat(e), GW_OK);
}

static void test_many_entries(void **state)
{
    assert_true(webkit_many(*state, "readdir"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statuses, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_words, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_reads, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_replaced_while_read, webkit_setup_httpfs,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_uploads, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_lost_answers, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_listings, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_no_size, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_slash_behind, webkit_setup_httpfs, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, webkit_setup_httpfs, webkit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
