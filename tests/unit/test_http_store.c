/* The kind `http` with the dialect webdav, on bad days: tests/support/web_stub.c. */
#include "backends/http/web.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/spool/spool.h"
#include "gateway/base/mem.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"
#include "tests/support/web_stub.h"
#include "tests/support/webkit.h"

/* ---- each status ---- */

static void test_statuses(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_status_row rows[] = {
        {"PROPFIND", webkit_stat, 401, 0, GW_DENIED, 1},
        {"PROPFIND", webkit_stat, 403, 0, GW_DENIED, 1},
        {"PROPFIND", webkit_stat, 404, 0, GW_NOT_FOUND, 1},
        {"PROPFIND", webkit_stat, 405, 0, GW_UNSUPPORTED, 1},
        {"PROPFIND", webkit_stat, 408, 0, GW_TIMEOUT, 2},
        {"PROPFIND", webkit_stat, 410, 0, GW_NOT_FOUND, 1},
        {"PROPFIND", webkit_stat, 508, 0, GW_LOOP, 1},
        {"PROPFIND", webkit_list, 403, 0, GW_DENIED, 1},
        {"PROPFIND", webkit_list, 404, 0, GW_NOT_FOUND, 1},
        {"PROPFIND", webkit_list, 500, 0, GW_UPSTREAM, 2},
        {"PROPFIND", webkit_list, 418, 0, GW_UPSTREAM, 1},
        {"GET", webkit_get, 403, 0, GW_DENIED, 1},
        {"GET", webkit_get, 404, 0, GW_NOT_FOUND, 1},
        {"GET", webkit_get, 412, 0, GW_CHANGED, 1},
        {"GET", webkit_get, 416, 0, GW_UPSTREAM, 1}, /* it has bytes, says the look */
        {"GET", webkit_get, 429, 0, GW_UPSTREAM, 2},
        {"GET", webkit_get, 500, 0, GW_UPSTREAM, 2},
        {"GET", webkit_get, 502, 0, GW_UPSTREAM, 2},
        {"GET", webkit_get, 503, 0, GW_UPSTREAM, 2},
        {"GET", webkit_get, 504, 0, GW_TIMEOUT, 2},
        {"PUT", webkit_put, 401, 0, GW_DENIED, 1},
        {"PUT", webkit_put, 403, 0, GW_DENIED, 1},
        {"PUT", webkit_put, 404, 0, GW_NO_PATH, 1},
        {"PUT", webkit_put, 405, 0, GW_UNSUPPORTED, 1},
        {"PUT", webkit_put, 409, 0, GW_NO_PATH, 1},
        {"PUT", webkit_put, 413, 0, GW_TOO_LARGE, 1},
        {"PUT", webkit_put, 414, 0, GW_BAD_NAME, 1},
        {"PUT", webkit_put, 415, 0, GW_UNSUPPORTED, 1},
        {"PUT", webkit_put, 422, 0, GW_UPSTREAM, 1},
        {"PUT", webkit_put, 423, 0, GW_LOCKED, 1},
        {"PUT", webkit_put, 500, 0, GW_UPSTREAM, 2},
        {"PUT", webkit_put, 507, 0, GW_NO_SPACE, 1},
        {"MOVE", webkit_put, 403, 0, GW_DENIED, 1},
        {"MOVE", webkit_put, 423, 0, GW_LOCKED, 1},
        {"MOVE", webkit_put, 507, 0, GW_NO_SPACE, 1},
        {"DELETE", webkit_remove, 403, 0, GW_DENIED, 1},
        {"DELETE", webkit_remove, 423, 0, GW_LOCKED, 1},
        {"DELETE", webkit_remove, 424, 0, GW_LOCKED, 1},
        {"MKCOL", webkit_mkdir, 404, 0, GW_NO_PATH, 1},
        {"MKCOL", webkit_mkdir, 405, 0, GW_EXISTS, 1},
        {"MKCOL", webkit_mkdir, 409, 0, GW_NO_PATH, 1},
        {"MKCOL", webkit_mkdir, 507, 0, GW_NO_SPACE, 1},
        {"MOVE", webkit_rename, 412, 0, GW_EXISTS, 1},
        {"MOVE", webkit_rename, 409, 0, GW_NO_PATH, 1},
        {"MOVE", webkit_rename, 502, 0, GW_UPSTREAM, 2},
    };
    assert_int_equal(webkit_statuses(e, rows, sizeof rows / sizeof rows[0]), 0);
}

static void test_words(void **state)
{
    struct webkit *e = *state;
    static const struct {
        unsigned status;
        const char *words;
    } rows[] = {
        {401, "the server does not accept postern's credentials (HTTP status 401)"},
        {403, "the server does not allow it (HTTP status 403)"},
        {404, ""}, /* which says it all */
        {405, "the server does not do that there (HTTP status 405)"},
        {409, "the server sees a conflict (HTTP status 409)"},
        {412, "the file changed while it was being read (HTTP status 412)"},
        {423, "the file is locked on the server (HTTP status 423)"},
        {429, "the server is asked too often (HTTP status 429)"},
        {500, "the server has failed (HTTP status 500)"},
        {502, "what stands before the server cannot reach it (HTTP status 502)"},
        {503, "the server is not available (HTTP status 503)"},
        {507, "the server has no space left (HTTP status 507)"},
        {418, "a remote server failed (HTTP status 418)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_fail(e->stub, WEB_STUB_STATUS, "PROPFIND", 0, 2, rows[i].status, NULL);
        char text[FS_TEXT_MAX];
        webkit_words(e, text);
        if (rows[i].status != 418)
            assert_string_equal(text, rows[i].words);
        else
            assert_non_null(strstr(text, "(HTTP status 418)"));
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
    }
}

/* ---- reading ---- */

static void test_reads(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_read_row rows[] = {
        {WEB_STUB_NONE, 0, 0, GW_OK, GW_OK},
        {WEB_STUB_TRUNCATE, 0, 3, GW_OK, GW_OK},
        {WEB_STUB_SHORT, 1, 3, GW_OK, GW_OK},
        {WEB_STUB_STALL, 1, 1, GW_OK, GW_OK},
        {WEB_STUB_NO_RANGE, 0, 1, GW_OK, GW_OK},
        {WEB_STUB_NO_RANGE, 1, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 0, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 1, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_OTHER_ETAG, 1, 9, GW_CHANGED, GW_CHANGED},
        {WEB_STUB_OTHER_SIZE, 1, 9, GW_CHANGED, GW_CHANGED},
        {WEB_STUB_NO_SIZE, 0, 9, GW_UPSTREAM, GW_UPSTREAM},
        {WEB_STUB_HANG, 1, 1, GW_OK, GW_OK},
        /* Never bytes of another answer. Last: what is too much stays in a connection. */
        {WEB_STUB_LONG, 1, 1, GW_OK, GW_UPSTREAM},
    };
    assert_int_equal(webkit_reads(e, "GET", rows, sizeof rows / sizeof rows[0]), 0);
}

/* Between the look and the GET it has become empty: no fault. */
static void test_shrunk_before_it_is_read(void **state)
{
    struct webkit *e = *state;
    char text[100] = "";
    web_stub_put(e->stub, "f", "", 0);
    web_stub_fail(e->stub, WEB_STUB_TEXT, "PROPFIND", 0, 1, 0,
                  "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/dav/f</D:href><D:propstat>"
                  "<D:prop><D:getcontentlength>5</D:getcontentlength></D:prop>"
                  "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
                  "</D:multistatus>");
    assert_int_equal(sync_get(e->fs, "/f", text, sizeof text), GW_OK);
    assert_string_equal(text, "");
    assert_int_equal(web_stub_requests(e->stub, "GET"), 1);
}

static void test_replaced_while_read(void **state)
{
    assert_int_equal(webkit_read_replaced(*state), GW_CHANGED);
}

/* ---- writing ---- */

static void test_uploads(void **state)
{
    struct webkit *e = *state;
    static const struct webkit_upload_row rows[] = {
        {webkit_write_big, WEB_STUB_NONE, NULL, 0, GW_OK, GW_OK},
        {webkit_write_small, WEB_STUB_NONE, NULL, 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_LOSE_ANSWER, "PUT", 0, GW_OK,
         GW_OK}, /* looked for, and there */
        {webkit_write_small, WEB_STUB_LOSE_ANSWER, "PUT", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_LOSE_ANSWER, "MOVE", 0, GW_OK, GW_OK},
        {webkit_write_small, WEB_STUB_LOSE_ANSWER, "MOVE", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_CUT_REQUEST, "PUT", 0, GW_IO, GW_IO}, /* cannot be sent again */
        {webkit_write_small, WEB_STUB_CUT_REQUEST, "PUT", 0, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_STATUS, "PUT", 403, GW_DENIED, GW_DENIED},
        {webkit_write_big, WEB_STUB_STATUS, "PUT", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_big, WEB_STUB_STATUS, "PUT", 500, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_small, WEB_STUB_STATUS, "PUT", 503, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_HANG, "PUT", 0, GW_TIMEOUT, GW_TIMEOUT},
        {webkit_write_small, WEB_STUB_STATUS, "MOVE", 412, GW_EXISTS, GW_EXISTS},
        {webkit_write_big, WEB_STUB_KEEP, "PUT", 1000, GW_UPSTREAM, GW_UPSTREAM}, /* and 201 */
        {webkit_write_big, WEB_STUB_STATUS, "PUT", 202, GW_UPSTREAM,
         GW_UPSTREAM}, /* looked for, and not there */
        {webkit_write_small, WEB_STUB_STATUS, "PUT", 202, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_small, WEB_STUB_STATUS, "MOVE", 202, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_small, WEB_STUB_REDIRECT, "PUT", 0, GW_UPSTREAM, GW_UPSTREAM},
        /* It answers before it has the body, and goes on, hangs up, or resets. */
        {webkit_write_big, WEB_STUB_EARLY, "PUT", 413, GW_TOO_LARGE, GW_TOO_LARGE},
        {webkit_write_big, WEB_STUB_EARLY, "PUT", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_big, WEB_STUB_EARLY, "PUT", 401, GW_DENIED, GW_DENIED},
        {webkit_write_big, WEB_STUB_EARLY, "PUT", 500, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_big, WEB_STUB_EARLY, "PUT", 201, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_small, WEB_STUB_EARLY, "PUT", 413, GW_TOO_LARGE, GW_TOO_LARGE},
        {webkit_write_small, WEB_STUB_EARLY, "PUT", 503, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "PUT", 413, GW_TOO_LARGE, GW_TOO_LARGE},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "PUT", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "PUT", 401, GW_DENIED, GW_DENIED},
        {webkit_write_big, WEB_STUB_EARLY_CLOSE, "PUT", 201, GW_UPSTREAM, GW_UPSTREAM},
        {webkit_write_small, WEB_STUB_EARLY_CLOSE, "PUT", 507, GW_NO_SPACE, GW_NO_SPACE},
        {webkit_write_small, WEB_STUB_EARLY_CLOSE, "PUT", 503, GW_OK, GW_OK},
        {webkit_write_big, WEB_STUB_EARLY_RESET, "PUT", 413, GW_TOO_LARGE, GW_IO},
        {webkit_write_big, WEB_STUB_EARLY_RESET, "PUT", 507, GW_NO_SPACE, GW_IO},
        {webkit_write_big, WEB_STUB_EARLY_RESET, "PUT", 201, GW_UPSTREAM, GW_IO},
    };
    assert_int_equal(webkit_uploads(e, rows, sizeof rows / sizeof rows[0]), 0);
}

static void test_abort(void **state)
{
    struct webkit *e = *state;
    struct fs_file *f = NULL;
    web_stub_put(e->stub, "big", "old", 3);
    assert_int_equal(sync_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &f), GW_OK);
    for (size_t at = 0; at + 32768 < WEBKIT_BIG; at += 32768)
        assert_int_equal(sync_write(f, at, e->big + at, 32768), GW_OK);
    fs_abort(&f);
    assert_true(webkit_until_clean(e));
    assert_int_equal(web_stub_file(e->stub, "big", NULL), 3);
}

/* The server copies; nothing is fetched but what the open of the source has looked at. */
static void test_copy(void **state)
{
    struct webkit *e = *state;
    struct fs_file *from = NULL, *to = NULL;
    const uint8_t *data;
    struct sync s = {0};
    web_stub_put(e->stub, "big", e->big, WEBKIT_BIG);
    web_stub_put(e->stub, "copy", "old", 3);
    assert_int_equal(sync_open(e->fs, "/big", FS_READ, &from), GW_OK);
    assert_int_equal(sync_open(e->fs, "/copy", FS_WRITE | FS_CREATE | FS_TRUNC, &to), GW_OK);
    unsigned gets = web_stub_requests(e->stub, "GET");
    s.op = fs_copy(from, 0, 0, to, 0, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    assert_int_equal(web_stub_file(e->stub, "copy", NULL), 3); /* until the CLOSE */
    assert_int_equal(sync_close(&to), GW_OK);
    assert_int_equal(sync_close(&from), GW_OK);
    assert_int_equal(web_stub_requests(e->stub, "GET"), gets);
    assert_int_equal(web_stub_requests(e->stub, "COPY"), 1);
    assert_int_equal(web_stub_requests(e->stub, "PUT"), 0);
    assert_int_equal(web_stub_file(e->stub, "copy", &data), WEBKIT_BIG);
    assert_memory_equal(data, e->big, WEBKIT_BIG);
    assert_int_equal(web_stub_files(e->stub), 2);
}

/* As the spool does it. */
static struct fs_file *write_known(struct webkit *e, size_t size)
{
    struct sync s = {0};
    struct fs_attr attr = {.set = FS_ATTR_SIZE, .size = size};
    s.op = fs_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &attr, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    for (size_t at = 0; at < size; at += 32768)
        assert_int_equal(sync_write(s.file, at, e->big + at, size - at < 32768 ? size - at : 32768),
                         GW_OK);
    return s.file;
}

static bool is_moving(void *arg)
{
    return web_stub_requests(arg, "MOVE") > 0;
}

static bool two_files(void *arg)
{
    return web_stub_files(arg) == 2;
}

struct deletes {
    struct web_stub *stub;
    unsigned n;
};

static bool deletes_seen(void *arg)
{
    const struct deletes *d = arg;
    return web_stub_requests(d->stub, "DELETE") >= d->n;
}

/* What is left is removed as soon as nobody holds it any more, and not asked for when it may not.
 */
static void test_cleanup(void **state)
{
    struct webkit *e = *state;
    static const struct {
        unsigned status, times, requests;
        size_t left;
    } rows[] = {{423, 2, 3, 1}, {500, 3, 4, 1}, {403, 1, 1, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_put(e->stub, "big", "old", 3);
        unsigned before = web_stub_requests(e->stub, "DELETE");
        struct fs_file *f = write_known(e, BUDGET_SMALL + (1 << 20));
        assert_true(sync_until(e->loop, two_files, e->stub));
        web_stub_fail(e->stub, WEB_STUB_STATUS, "DELETE", 0, rows[i].times, rows[i].status, NULL);
        fs_abort(&f);
        struct deletes want = {e->stub, before + rows[i].requests};
        assert_true(sync_until(e->loop, deletes_seen, &want));
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL); /* the last one is through */
        assert_int_equal(web_stub_files(e->stub), rows[i].left);
        assert_int_equal(web_stub_requests(e->stub, "DELETE"), before + rows[i].requests);
    }
}

static void test_exclusive(void **state)
{
    struct webkit *e = *state;
    for (int atomic = 0; atomic < 2; atomic++) {
        struct fs_file *f = NULL;
        webkit_close(e);
        webkit_open(e, atomic != 0);
        web_stub_put(e->stub, "f", "old", 3);
        assert_int_equal(sync_open(e->fs, "/f", FS_WRITE | FS_CREATE | FS_EXCL, &f), GW_EXISTS);
        assert_int_equal(sync_remove(e->fs, "/f"), GW_OK);
        assert_int_equal(sync_open(e->fs, "/f", FS_WRITE | FS_CREATE | FS_EXCL, &f), GW_OK);
        assert_int_equal(sync_write(f, 0, "new", 3), GW_OK);
        web_stub_put(e->stub, "f", "theirs", 6); /* somebody was quicker */
        assert_int_equal(sync_close(&f), GW_EXISTS);
        assert_int_equal(web_stub_file(e->stub, "f", NULL), 6);
    }
}

static void test_wants_length(void **state)
{
    struct webkit *e = *state;
    web_stub_wants_length(e->stub, true);
    assert_int_equal(webkit_write_small(e), GW_OK);
    assert_int_equal(webkit_write_big(e), GW_UNSUPPORTED);
    unsigned puts = web_stub_requests(e->stub, "PUT");
    assert_int_equal(webkit_write_big(e), GW_UNSUPPORTED); /* without a spool */
    assert_int_equal(web_stub_requests(e->stub, "PUT"), puts);
    struct fs_file *f = write_known(e, WEBKIT_BIG);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(web_stub_file(e->stub, "big", NULL), WEBKIT_BIG);
}

/* With a spool: the server is asked once, and everything goes through the spool from then on. */
static void test_wants_length_with_a_spool(void **state)
{
    struct webkit *e = *state;
    struct spool_space space = {0};
    struct gw_errmsg msg;
    char top[PATH_MAX], length[32];
    const uint8_t *data;
    storekit_folder(top);
    assert_int_equal(spool_new(e->loop, top, 2 * WEBKIT_BIG, &space, &e->spool, &msg), GW_OK);
    webkit_close(e);
    webkit_open(e, false);
    web_stub_wants_length(e->stub, true);
    assert_int_equal(webkit_write_big(e), GW_UNSUPPORTED);
    unsigned puts = web_stub_requests(e->stub, "PUT");
    assert_int_equal(webkit_write_big(e), GW_OK);
    assert_int_equal(web_stub_requests(e->stub, "PUT"), puts + 1);
    assert_true(web_stub_header(e->stub, "Content-Length", length, sizeof length));
    assert_int_equal(strtoull(length, NULL, 10), WEBKIT_BIG);
    assert_int_equal(web_stub_file(e->stub, "big", &data), WEBKIT_BIG);
    assert_memory_equal(data, e->big, WEBKIT_BIG);
    assert_int_equal(space.used, 0);
    webkit_close(e);
    spool_free(&e->spool);
    storekit_folder_remove(top);
    webkit_open(e, true);
}

/* Behind FastCGI or WSGI a body of unknown length may be an empty one to who says 201; another does
 * not wait for it. Both are told a length from then on. */
static void test_body_is_dropped(void **state)
{
    struct webkit *e = *state;
    static const struct {
        enum web_stub_fault fault;
        unsigned value;
    } rows[] = {{WEB_STUB_KEEP, 0}, {WEB_STUB_EARLY, 201}, {WEB_STUB_EARLY_CLOSE, 201}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        webkit_close(e);
        webkit_open(e, true);
        web_stub_put(e->stub, "big", "old", 3);
        web_stub_fail(e->stub, rows[i].fault, "PUT", 0, 1, rows[i].value, NULL);
        assert_int_equal(webkit_write_big(e), GW_UPSTREAM);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        assert_int_equal(web_stub_file(e->stub, "big", NULL), 3);
        assert_true(webkit_until_clean(e));
        unsigned puts = web_stub_requests(e->stub, "PUT");
        assert_int_equal(webkit_write_big(e), GW_UNSUPPORTED);
        assert_int_equal(web_stub_requests(e->stub, "PUT"), puts);
        struct fs_file *f = write_known(e, WEBKIT_BIG);
        assert_int_equal(sync_close(&f), GW_OK);
        assert_int_equal(web_stub_file(e->stub, "big", NULL), WEBKIT_BIG);
    }
}

/* An older file of the same size is no proof that the new one has come. */
static void test_lost_in_place(void **state)
{
    struct webkit *e = *state;
    static const struct {
        enum web_stub_fault fault;
        const char *old;
        enum gw_err err;
    } rows[] = {
        {WEB_STUB_LOSE, "older", GW_IO},
        {WEB_STUB_LOSE, "old", GW_IO},
        {WEB_STUB_LOSE_ANSWER, "old", GW_OK},
    };
    webkit_close(e);
    webkit_open(e, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_put(e->stub, "big", rows[i].old, strlen(rows[i].old));
        web_stub_fail(e->stub, rows[i].fault, "PUT", 0, 100, 0, NULL);
        assert_int_equal(webkit_write_small(e), rows[i].err);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
    }
}

/* An upload that was given an old time and has not its name yet is nothing that was left. */
static void test_no_sweep_of_the_living(void **state)
{
    struct webkit *e = *state;
    const struct fs_attr old = {.set = FS_ATTR_MTIME, .mtime_s = 1000000000};
    struct sync s = {0};
    web_stub_keeps_times(e->stub, WEB_STUB_TIMES_BY_PUT);
    s.op = fs_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &old, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    struct fs_file *f = s.file;
    assert_int_equal(sync_write(f, 0, "small", 5), GW_OK);
    web_stub_fail(e->stub, WEB_STUB_HANG, "MOVE", 0, 1, 0, NULL);
    s = (struct sync){0};
    s.op = fs_close(&f, sync_done, &s);
    assert_true(sync_until(e->loop, is_moving, e->stub));
    assert_int_equal(webkit_list(e), GW_OK);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    assert_int_equal(web_stub_file(e->stub, "big", NULL), 5);
    assert_int_equal(web_stub_requests(e->stub, "DELETE"), 0);
    /* What was begun so long ago is. */
    web_stub_put(e->stub, ".gateway-upload.3b9aca000123456789abcdef", "left", 4);
    e->conf.sweep_age_h = 1;
    assert_int_equal(webkit_list(e), GW_OK);
    assert_true(webkit_until_clean(e));
}

static bool is_stored(void *arg)
{
    return web_stub_files(arg) == 1;
}

/* It ends with a part, so the server has all of it, and says so, before the CLOSE. */
static void test_answer_before_close(void **state)
{
    enum { SIZE = BUDGET_SMALL + (1 << 20) };
    struct webkit *e = *state;
    struct fs_file *f = write_known(e, SIZE);
    assert_true(sync_until(e->loop, is_stored, e->stub));
    for (unsigned i = 0; i < 20; i++) /* by then its answer is here */
        (void)webkit_stat(e);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(web_stub_file(e->stub, "big", NULL), SIZE);
    f = write_known(e, SIZE); /* and another byte */
    assert_int_equal(sync_write(f, SIZE, "x", 1), GW_OK);
    assert_int_equal(sync_close(&f), GW_BAD_ARG);
}

#define WRITERS 24

/* What was staged of each is removed. */
static bool cleaned_up(void *arg)
{
    return web_stub_requests(arg, "DELETE") >= WRITERS - 1;
}

/* Clients that leave their uploads half-way hold up nobody: a server that is slow is asked little
 * at once. */
static void test_writers_that_pause(void **state)
{
    enum { BEGUN = 9 * 32768 }; /* more than one PUT with a length */
    struct webkit *e = *state;
    struct fs_file *files[WRITERS];
    web_stub_fail(e->stub, WEB_STUB_STATUS, NULL, 0, 1, 503, NULL);
    assert_int_equal(webkit_stat(e), GW_NOT_FOUND);
    for (size_t i = 0; i < WRITERS; i++) {
        char path[16];
        snprintf(path, sizeof path, "/w%zu", i);
        assert_int_equal(sync_open(e->fs, path, FS_WRITE | FS_CREATE | FS_TRUNC, &files[i]), GW_OK);
        for (size_t at = 0; at < BEGUN; at += 32768)
            assert_int_equal(sync_write(files[i], at, e->big + at, 32768), GW_OK);
    }
    assert_int_equal(webkit_stat(e), GW_NOT_FOUND);
    assert_int_equal(webkit_put(e), GW_OK);
    assert_int_equal(sync_close(&files[WRITERS - 1]), GW_OK);
    for (size_t i = 0; i < WRITERS - 1; i++)
        fs_abort(&files[i]);
    assert_true(sync_until(e->loop, cleaned_up, e->stub));
}

/* ---- listings ---- */

#define LIST(body) "<D:multistatus xmlns:D=\"DAV:\">" body "</D:multistatus>"
#define ONE(href)  "<D:response><D:href>" href "</D:href></D:response>"
#define SELF                                                                                       \
    "<D:response><D:href>/dav/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>"        \
    "</D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"

static void test_listings(void **state)
{
    struct webkit *e = *state;
    static const struct {
        const char *body;
        enum gw_err err;
        const char *names; /* as sync_list() gives them */
    } rows[] = {
        {LIST(SELF ONE("/dav/a")), GW_OK, "a"},
        {LIST(SELF SELF SELF ONE("/dav/")), GW_OK, ""}, /* a loop: it lists itself */
        {LIST(SELF ONE("http://127.0.0.1/dav/a%20b/") ONE("/%64av/%63")), GW_OK, "a b c"},
        {LIST(SELF ONE("/dav/%25 %23%3F;+%0A%C3%A4")), GW_OK, "% #?;+\n\xc3\xa4"},
        {LIST(SELF ONE("/dav/a%2Fb") ONE("/dav/..") ONE("/dav/%FF") ONE("/dav/a%00b")
                  ONE("/dav/c")),
         GW_OK, "c"}, /* names that no path can have are not shown */
        {LIST(SELF ONE("/dav/.gateway-upload.0123456789abcdef")), GW_OK, ""},
        {LIST(SELF ONE("/dav/a/b")), GW_UPSTREAM, NULL}, /* not in this folder */
        {LIST(SELF ONE("/etc/passwd")), GW_UPSTREAM, NULL},
        {LIST(SELF ONE("/dav/\xff")), GW_UPSTREAM, NULL},
        {"<!DOCTYPE x [<!ENTITY a \"aaaa\">]>" LIST(SELF ONE("/dav/&a;")), GW_UPSTREAM, NULL},
        {"<html/>", GW_UPSTREAM, NULL},
        {"", GW_UPSTREAM, NULL},
        {LIST(ONE("/dav/")), GW_NOT_DIR, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char names[256] = "";
        web_stub_fail(e->stub, WEB_STUB_TEXT, "PROPFIND", 0, 1, 0, rows[i].body);
        enum gw_err err = sync_list(e->fs, "/", 100, names, sizeof names);
        if (err != rows[i].err || (err == GW_OK && strcmp(names, rows[i].names) != 0))
            print_error("row %zu: %s \"%s\"\n", i, gw_err_name(err), names);
        assert_int_equal(err, rows[i].err);
        if (err == GW_OK)
            assert_string_equal(names, rows[i].names);
    }
}

static void test_many_entries(void **state)
{
    assert_true(webkit_many(*state, "PROPFIND"));
}

/* ---- elsewhere ---- */

static void test_redirects(void **state)
{
    struct webkit *e = *state;
    char inside[64];
    web_stub_put(e->stub, "f", "text", 4);
    snprintf(inside, sizeof inside, "http://127.0.0.1:%u/dav/f", web_stub_port(e->stub));
    static const char *const outside[] = {"http://localhost/dav/f", "https://127.0.0.1/dav/f",
                                          "//127.0.0.2/dav/f", "ftp://127.0.0.1/f", "f"};
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, inside);
    assert_int_equal(webkit_stat(e), GW_OK);
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, "/dav/f");
    assert_int_equal(webkit_stat(e), GW_OK);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        unsigned before = web_stub_requests(e->stub, NULL);
        web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, outside[i]);
        assert_int_equal(webkit_stat(e), GW_UPSTREAM);
        assert_int_equal(web_stub_requests(e->stub, NULL), before + 1);
    }
    /* What is sent as it comes cannot be sent to another place. */
    struct sync s = {0};
    s.op = fs_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, NULL, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    struct fs_file *f = s.file;
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, "PUT", 0, 1, 0, "/dav/f");
    for (size_t at = 0; at < WEBKIT_BIG; at += 32768)
        (void)sync_write(f, at, e->big + at, WEBKIT_BIG - at < 32768 ? WEBKIT_BIG - at : 32768);
    s = (struct sync){0};
    s.op = fs_close(&f, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_UPSTREAM);
    assert_non_null(strstr(s.text, "cannot be sent again"));
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 100, 0, "/dav/f"); /* in a circle */
    assert_int_equal(webkit_stat(e), GW_UPSTREAM);
    web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
}

/* A server that says that it keeps a time, and does not. */
static void test_times(void **state)
{
    struct webkit *e = *state;
    static const char accepted[] =
        LIST("<D:response><D:href>/dav/f</D:href><D:propstat><D:prop><D:lastmodified/></D:prop>"
             "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>");
    const struct fs_attr attr = {.set = FS_ATTR_MTIME, .mtime_s = 1000000000};
    e->conf.setstat = WEB_SETSTAT_STRICT;
    web_stub_put(e->stub, "f", "text", 4);
    web_stub_fail(e->stub, WEB_STUB_TEXT, "PROPPATCH", 0, 1, 0, accepted);
    assert_int_equal(sync_setstat(e->fs, "/f", true, &attr), GW_UNSUPPORTED);
    assert_int_equal(web_stub_requests(e->stub, "PROPPATCH"), 1);
    e->conf.setstat = WEB_SETSTAT_IGNORE;
    assert_int_equal(sync_setstat(e->fs, "/f", true, &attr), GW_OK);
    assert_int_equal(web_stub_requests(e->stub, "PROPPATCH"), 1); /* known by now */
}

/* A server that does keep it, of an upload and of a file that is there. */
static void test_kept_times(void **state)
{
    struct webkit *e = *state;
    static const struct {
        enum web_stub_times how;
        size_t size;
        unsigned proppatches; /* of the upload */
        enum gw_err set;      /* of a time later on */
    } rows[] = {
        {WEB_STUB_TIMES_BY_PUT, 3, 0, GW_UNSUPPORTED},
        {WEB_STUB_TIMES_BY_PUT, WEBKIT_BIG, 0,
         GW_UNSUPPORTED}, /* which began before it was known */
        {WEB_STUB_TIMES_BY_PROPPATCH, 3, 1, GW_OK},
        {WEB_STUB_TIMES_BY_PROPPATCH, WEBKIT_BIG, 1, GW_OK},
        {WEB_STUB_NO_TIMES, 3, 1, GW_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fs_attr then = {.set = FS_ATTR_MTIME, .mtime_s = 1000000000};
        const struct fs_attr later = {.set = FS_ATTR_MTIME, .mtime_s = 1100000000};
        struct fs_attr is;
        struct fs_file *f = NULL;
        struct sync s = {0};
        webkit_close(e);
        webkit_open(e, true);
        e->conf.setstat = WEB_SETSTAT_STRICT;
        web_stub_keeps_times(e->stub, rows[i].how);
        unsigned before = web_stub_requests(e->stub, "PROPPATCH");
        s.op = fs_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &then, sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), GW_OK);
        f = s.file;
        for (size_t at = 0; at < rows[i].size; at += 32768)
            assert_int_equal(sync_write(f, at, e->big + at,
                                        rows[i].size - at < 32768 ? rows[i].size - at : 32768),
                             GW_OK);
        assert_int_equal(sync_close(&f), GW_OK);
        assert_int_equal(web_stub_requests(e->stub, "PROPPATCH") - before, rows[i].proppatches);
        bool kept = rows[i].how != WEB_STUB_NO_TIMES;
        assert_int_equal(sync_stat(e->fs, "/big", true, &is), GW_OK);
        assert_int_equal(is.mtime_s == then.mtime_s, kept);
        assert_int_equal(sync_setstat(e->fs, "/big", true, &later), rows[i].set);
        assert_int_equal(sync_stat(e->fs, "/big", true, &is), GW_OK);
        assert_int_equal(is.mtime_s == later.mtime_s, rows[i].set == GW_OK);
    }
}

#define SPACE(properties)                                                                          \
    LIST("<D:response><D:href>/dav/</D:href><D:propstat><D:prop>" properties                       \
         "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>")
#define AVAILABLE(n) "<D:quota-available-bytes>" n "</D:quota-available-bytes>"
#define USED(n)      "<D:quota-used-bytes>" n "</D:quota-used-bytes>"

static void test_space(void **state)
{
    struct webkit *e = *state;
    static const struct {
        const char *body;
        enum gw_err err;
        uint64_t blocks, free;
    } rows[] = {
        {SPACE(AVAILABLE("1048576") USED("40960")), GW_OK, 266, 256},
        {SPACE(AVAILABLE("1048576")), GW_OK, 256, 256},
        {SPACE(AVAILABLE("0") USED("8192")), GW_OK, 2, 0},
        {SPACE(AVAILABLE("-3") USED("8192")), GW_UNSUPPORTED, 0, 0}, /* Nextcloud: no limit */
        {SPACE(USED("8192")), GW_UNSUPPORTED, 0, 0},
        {SPACE(AVAILABLE("99999999999999999999999")), GW_UNSUPPORTED, 0, 0},
        {SPACE(AVAILABLE("much")), GW_UNSUPPORTED, 0, 0},
        {LIST(SELF), GW_UNSUPPORTED, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sync s = {0};
        web_stub_fail(e->stub, WEB_STUB_TEXT, "PROPFIND", 0, 1, 0, rows[i].body);
        s.op = fs_statvfs(e->fs, "/", sync_done, &s);
        assert_int_equal(sync_wait(e->loop, &s), rows[i].err);
        if (rows[i].err != GW_OK)
            continue;
        assert_int_equal(s.space.frsize, 4096);
        assert_int_equal(s.space.blocks, rows[i].blocks);
        assert_int_equal(s.space.bfree, rows[i].free);
        assert_int_equal(s.space.bavail, rows[i].free);
    }
}

/* The folder of a prefix is made when it is first used. */
static void test_prefix(void **state)
{
    struct webkit *e = *state;
    const struct backend_view args = {.prefix = "new/user"};
    struct fs *fs = NULL;
    char names[100];
    assert_int_equal(backend_view_new(e->backend, &args, &fs), GW_OK);
    (void)sync_list(fs, "/", 10, names, sizeof names);
    assert_int_equal(web_stub_requests(e->stub, "MKCOL"), 2);
    fs_free(&fs);
    web_stub_no_folder(e->stub);
    const struct backend_view reader = {.prefix = "new/user", .read_only = true};
    assert_int_equal(backend_view_new(e->backend, &reader, &fs), GW_OK);
    assert_int_equal(sync_list(fs, "/", 10, names, sizeof names), GW_NOT_FOUND);
    assert_int_equal(web_stub_requests(e->stub, "MKCOL"), 2);
    fs_free(&fs);
}

/* Whether it was made is looked for, however the answer was lost. */
static void test_lost_answers(void **state)
{
    struct webkit *e = *state;
    static const struct {
        enum web_stub_fault fault;
        const char *word;
        unsigned times;
        webkit_fn *act;
        enum gw_err err;
    } rows[] = {
        {WEB_STUB_LOSE_ANSWER, "MKCOL", 100, webkit_mkdir, GW_OK},
        {WEB_STUB_LOSE_ANSWER, "MKCOL", 1, webkit_mkdir, GW_OK}, /* 405 to the second */
        {WEB_STUB_LOSE, "MKCOL", 100, webkit_mkdir, GW_IO},
        {WEB_STUB_LOSE_ANSWER, "MOVE", 100, webkit_rename, GW_OK},
        {WEB_STUB_LOSE, "MOVE", 100, webkit_rename, GW_IO},
        {WEB_STUB_LOSE_ANSWER, "DELETE", 1, webkit_remove, GW_OK},
        {WEB_STUB_LOSE, "DELETE", 100, webkit_remove, GW_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_put(e->stub, "f", "old", 3);
        web_stub_no_folder(e->stub);
        web_stub_fail(e->stub, rows[i].fault, rows[i].word, 0, rows[i].times, 0, NULL);
        enum gw_err err = rows[i].act(e);
        if (err != rows[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        (void)sync_remove(e->fs, "/g");
    }
}

/* A folder is never removed or replaced with what is in it. */
static void test_folders_are_safe(void **state)
{
    struct webkit *e = *state;
    web_stub_put(e->stub, "f", "text", 4);
    unsigned deletes = web_stub_requests(e->stub, "DELETE"),
             moves = web_stub_requests(e->stub, "MOVE");
    assert_int_equal(sync_remove(e->fs, "/d"), GW_IS_DIR);
    assert_int_equal(sync_rename(e->fs, "/f", "/d", FS_RENAME_OVERWRITE), GW_IS_DIR);
    assert_int_equal(sync_rename(e->fs, "/d", "/f", FS_RENAME_OVERWRITE), GW_NOT_DIR);
    assert_int_equal(sync_put(e->fs, "/d", "x"), GW_IS_DIR);
    assert_int_equal(sync_rename(e->fs, "/d", "/d/x", 0), GW_BAD_ARG);
    assert_int_equal(sync_rmdir(e->fs, "/"), GW_DENIED);
    assert_int_equal(web_stub_requests(e->stub, "DELETE"), deletes);
    assert_int_equal(web_stub_requests(e->stub, "MOVE"), moves);
}

static void test_reserved(void **state)
{
    struct webkit *e = *state;
    struct fs_attr a;
    static const char name[] = "/.gateway-upload.0123456789abcdef";
    web_stub_put(e->stub, name + 1, "x", 1);
    assert_int_equal(sync_stat(e->fs, name, true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_remove(e->fs, name), GW_DENIED);
    assert_int_equal(sync_put(e->fs, name, "x"), GW_DENIED);
    assert_int_equal(sync_rename(e->fs, name, "/x", 0), GW_DENIED);
    assert_int_equal(web_stub_file(e->stub, name + 1, NULL), 1);
}

/* ---- every operation, cancelled at every step ---- */

static struct op *start_stat(struct webkit *e, struct sync *s)
{
    return fs_stat(e->fs, "/f", true, sync_done, s);
}

static struct op *start_setstat(struct webkit *e, struct sync *s)
{
    static const struct fs_attr attr = {.set = FS_ATTR_MTIME, .mtime_s = 1};
    return fs_setstat(e->fs, "/f", true, &attr, sync_done, s);
}

static struct fs_file *reader; /* of start_fsetstat() */

static struct op *start_fsetstat(struct webkit *e, struct sync *s)
{
    static const struct fs_attr attr = {.set = FS_ATTR_MTIME, .mtime_s = 1};
    assert_int_equal(sync_open(e->fs, "/f", FS_READ, &reader), GW_OK);
    return fs_fsetstat(reader, &attr, sync_done, s);
}

static struct op *start_read(struct webkit *e, struct sync *s)
{
    return fs_open(e->fs, "/big", FS_READ, NULL, sync_done, s);
}

static struct op *start_write(struct webkit *e, struct sync *s)
{
    return fs_open(e->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, NULL, sync_done, s);
}

static struct op *start_close(struct webkit *e, struct sync *s)
{
    struct fs_file *f = NULL;
    assert_int_equal(sync_open(e->fs, "/f", FS_WRITE | FS_CREATE | FS_TRUNC, &f), GW_OK);
    assert_int_equal(sync_write(f, 0, "text", 4), GW_OK);
    return fs_close(&f, sync_done, s);
}

static struct op *start_list(struct webkit *e, struct sync *s)
{
    return fs_opendir(e->fs, "/", sync_done, s);
}

static struct op *start_remove(struct webkit *e, struct sync *s)
{
    return fs_remove(e->fs, "/f", sync_done, s);
}

static struct op *start_mkdir(struct webkit *e, struct sync *s)
{
    return fs_mkdir(e->fs, "/new", NULL, sync_done, s);
}

static struct op *start_rmdir(struct webkit *e, struct sync *s)
{
    return fs_rmdir(e->fs, "/d", sync_done, s);
}

static struct op *start_rename(struct webkit *e, struct sync *s)
{
    return fs_rename(e->fs, "/f", "/g", FS_RENAME_OVERWRITE, sync_done, s);
}

static struct op *start_space(struct webkit *e, struct sync *s)
{
    return fs_statvfs(e->fs, "/", sync_done, s);
}

static void test_cancelled(void **state)
{
    struct webkit *e = *state;
    static struct op *(*const starts[])(struct webkit * e, struct sync * s) = {
        start_stat, start_setstat, start_fsetstat, start_read,  start_write,  start_close,
        start_list, start_remove,  start_mkdir,    start_rmdir, start_rename, start_space,
    };
    web_stub_put(e->stub, "big", e->big, WEBKIT_BIG);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        bool ended = false;
        for (unsigned turns = 0; !ended; turns++) {
            struct sync s = {0};
            assert_true(turns < 10000);
            web_stub_put(e->stub, "f", "old", 3);
            web_stub_no_folder(e->stub);
            s.op = starts[i](e, &s);
            for (unsigned k = 0; k < turns && !s.done; k++)
                loop_turn(e->loop);
            ended = s.done;
            op_cancel(&s.op);
            assert_int_equal(s.done, ended);
            fs_abort(&s.file);
            fs_abort(&reader);
            fs_closedir(&s.dir);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statuses, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_words, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_reads, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_shrunk_before_it_is_read, webkit_setup_dav,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_replaced_while_read, webkit_setup_dav,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_uploads, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_abort, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_copy, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_cleanup, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_exclusive, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_wants_length, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_wants_length_with_a_spool, webkit_setup_dav,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_body_is_dropped, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_lost_in_place, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_no_sweep_of_the_living, webkit_setup_dav,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_writers_that_pause, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_answer_before_close, webkit_setup_dav,
                                        webkit_teardown),
        cmocka_unit_test_setup_teardown(test_listings, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_redirects, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_times, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_kept_times, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_space, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_prefix, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_lost_answers, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_folders_are_safe, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_reserved, webkit_setup_dav, webkit_teardown),
        cmocka_unit_test_setup_teardown(test_cancelled, webkit_setup_dav, webkit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
