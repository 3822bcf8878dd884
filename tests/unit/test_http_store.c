/* The kind `http` with the dialect webdav, on bad days: tests/support/web_stub.c. */
#include "backends/http/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/web_stub.h"
#include "tests/support/sync.h"

#define MIB      ((size_t)1 << 20)
#define BIG_SIZE (3 * MIB + 77)

struct env {
    struct web_stub *stub;
    struct loop *loop;
    struct budget *budget;
    struct web_conf conf;
    struct backend *backend;
    struct fs *fs;
    uint8_t *big;
};

static void conf_read(struct web_conf *conf, json_t *obj)
{
    struct opt_reader reader = {0};
    gw_buf_init(&reader.problems, 1u << 16);
    options_read(&reader, web_options, obj, "", conf);
    json_decref(obj);
    assert_int_equal(reader.nproblems, 0);
    gw_buf_free(&reader.problems);
}

static void store_open(struct env *e, bool atomic)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/dav/", web_stub_port(e->stub));
    conf_read(&e->conf, json_pack("{ss si si si sb}", "url", url, "timeout_s", 2, "max_retries", 1,
                                  "stat_cache_ms", 0, "atomic_uploads", atomic));
    const struct backend_env env = {.loop = e->loop, .budget = e->budget};
    const struct opt_any any = {.kind = &web_kind.opt, .conf = &e->conf};
    const struct backend_view view = {.prefix = ""};
    struct gw_errmsg msg;
    assert_int_equal(backend_new(&env, "dav", &any, &e->backend, &msg), GW_OK);
    assert_int_equal(backend_view_new(e->backend, &view, &e->fs), GW_OK);
}

static void store_close(struct env *e)
{
    fs_free(&e->fs);
    backend_unref(&e->backend);
    options_free(web_options, &e->conf);
}

static int setup(void **state)
{
    struct env *e = mem_zalloc(sizeof *e);
    e->stub = web_stub_start();
    assert_int_equal(loop_new(&e->loop), GW_OK);
    e->budget = budget_new(64 * MIB);
    e->big = mem_alloc(BIG_SIZE);
    for (size_t i = 0; i < BIG_SIZE; i++)
        e->big[i] = (uint8_t)((i * 2654435761u) >> 13);
    store_open(e, true);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    store_close(e);
    web_stub_stop(&e->stub);
    loop_free(&e->loop);
    assert_int_equal(budget_used(e->budget), 0);
    budget_free(&e->budget);
    mem_free(e->big);
    mem_free(e);
    return 0;
}

/* ---- each status ---- */

static enum gw_err list_it(struct env *e)
{
    char names[4096];
    return sync_list(e->fs, "/", 100, names, sizeof names);
}

static enum gw_err get_it(struct env *e)
{
    char text[100];
    return sync_get(e->fs, "/f", text, sizeof text);
}

static enum gw_err put_it(struct env *e)
{
    return sync_put(e->fs, "/f", "new");
}

static enum gw_err stat_it(struct env *e)
{
    struct fs_attr a;
    return sync_stat(e->fs, "/f", true, &a);
}

static enum gw_err remove_it(struct env *e)
{
    return sync_remove(e->fs, "/f");
}

static enum gw_err mkdir_it(struct env *e)
{
    return sync_mkdir(e->fs, "/new");
}

static enum gw_err rename_it(struct env *e)
{
    return sync_rename(e->fs, "/f", "/g", 0);
}

/* What was staged is removed when its upload has ended already. */
static bool clean(void *arg)
{
    return web_stub_files(arg) == 1;
}

static void test_statuses(void **state)
{
    struct env *e = *state;
    static const struct {
        const char *method;
        enum gw_err (*act)(struct env *e);
        unsigned status, skip;
        enum gw_err err;
        unsigned requests; /* with this method: 2 = it was tried again */
    } rows[] = {
        {"PROPFIND", stat_it, 401, 0, GW_DENIED, 1},
        {"PROPFIND", stat_it, 403, 0, GW_DENIED, 1},
        {"PROPFIND", stat_it, 404, 0, GW_NOT_FOUND, 1},
        {"PROPFIND", stat_it, 405, 0, GW_UNSUPPORTED, 1},
        {"PROPFIND", list_it, 403, 0, GW_DENIED, 1},
        {"PROPFIND", list_it, 404, 0, GW_NOT_FOUND, 1},
        {"PROPFIND", list_it, 500, 0, GW_UPSTREAM, 2},
        {"PROPFIND", list_it, 418, 0, GW_UPSTREAM, 1},
        {"GET", get_it, 403, 0, GW_DENIED, 1},
        {"GET", get_it, 404, 0, GW_NOT_FOUND, 1},
        {"GET", get_it, 412, 0, GW_CHANGED, 1},
        {"GET", get_it, 429, 0, GW_UPSTREAM, 2},
        {"GET", get_it, 500, 0, GW_UPSTREAM, 2},
        {"GET", get_it, 502, 0, GW_UPSTREAM, 2},
        {"GET", get_it, 503, 0, GW_UPSTREAM, 2},
        {"GET", get_it, 504, 0, GW_TIMEOUT, 2},
        {"PUT", put_it, 401, 0, GW_DENIED, 1},
        {"PUT", put_it, 403, 0, GW_DENIED, 1},
        {"PUT", put_it, 405, 0, GW_UNSUPPORTED, 1},
        {"PUT", put_it, 409, 0, GW_NO_PATH, 1},
        {"PUT", put_it, 413, 0, GW_TOO_LARGE, 1},
        {"PUT", put_it, 414, 0, GW_BAD_NAME, 1},
        {"PUT", put_it, 423, 0, GW_LOCKED, 1},
        {"PUT", put_it, 500, 0, GW_UPSTREAM, 2},
        {"PUT", put_it, 507, 0, GW_NO_SPACE, 1},
        {"MOVE", put_it, 403, 0, GW_DENIED, 1},
        {"MOVE", put_it, 423, 0, GW_LOCKED, 1},
        {"MOVE", put_it, 507, 0, GW_NO_SPACE, 1},
        {"DELETE", remove_it, 403, 0, GW_DENIED, 1},
        {"DELETE", remove_it, 423, 0, GW_LOCKED, 1},
        {"MKCOL", mkdir_it, 405, 0, GW_EXISTS, 1},
        {"MKCOL", mkdir_it, 409, 0, GW_NO_PATH, 1},
        {"MKCOL", mkdir_it, 507, 0, GW_NO_SPACE, 1},
        {"MOVE", rename_it, 412, 0, GW_EXISTS, 1},
        {"MOVE", rename_it, 409, 0, GW_NO_PATH, 1},
        {"MOVE", rename_it, 502, 0, GW_UPSTREAM, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_put(e->stub, "f", "old", 3);
        unsigned before = web_stub_requests(e->stub, rows[i].method);
        web_stub_fail(e->stub, WEB_STUB_STATUS, rows[i].method, rows[i].skip, 2, rows[i].status,
                      NULL);
        enum gw_err err = rows[i].act(e);
        unsigned requests = web_stub_requests(e->stub, rows[i].method) - before;
        if (err != rows[i].err || requests != rows[i].requests)
            print_error("row %s %u: %s, %u requests\n", rows[i].method, rows[i].status,
                        gw_err_name(err), requests);
        assert_int_equal(err, rows[i].err);
        assert_int_equal(requests, rows[i].requests);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        const uint8_t *data;
        assert_int_equal(web_stub_file(e->stub, "f", &data), 3); /* the old one, whole */
        assert_memory_equal(data, "old", 3);
        assert_true(sync_until(e->loop, clean, e->stub));
    }
}

static void words_done(void *arg, const struct fs_res *res)
{
    snprintf(arg, FS_TEXT_MAX, "%s", res->text != NULL ? res->text : "");
}

static bool has_words(void *arg)
{
    return *(const char *)arg != '\1';
}

static void test_words(void **state)
{
    struct env *e = *state;
    static const struct {
        unsigned status;
        const char *words;
    } rows[] = {
        {401, "the server does not accept postern's credentials (HTTP status 401)"},
        {403, "the server does not allow it (HTTP status 403)"},
        {423, "the file is locked on the server (HTTP status 423)"},
        {507, "the server has no space left (HTTP status 507)"},
        {418, "a remote server failed (HTTP status 418)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[FS_TEXT_MAX] = "\1";
        web_stub_fail(e->stub, WEB_STUB_STATUS, "PROPFIND", 0, 1, rows[i].status, NULL);
        (void)fs_stat(e->fs, "/x", true, words_done, text);
        assert_true(sync_until(e->loop, has_words, text));
        if (rows[i].status != 418)
            assert_string_equal(text, rows[i].words);
        else
            assert_non_null(strstr(text, "(HTTP status 418)"));
    }
}

/* ---- reading ---- */

static enum gw_err read_big(struct env *e)
{
    struct fs_file *f = NULL;
    uint8_t *to = mem_alloc(BIG_SIZE);
    size_t have = 0, n = 0;
    enum gw_err err = sync_open(e->fs, "/big", FS_READ, &f);
    while (err == GW_OK && have < BIG_SIZE) {
        err = sync_read(f, have, to + have, 100000, &n);
        have += err == GW_OK ? n : 0;
    }
    if (err == GW_OK)
        assert_memory_equal(to, e->big, BIG_SIZE);
    fs_abort(&f);
    mem_free(to);
    return err;
}

static void test_reads(void **state)
{
    struct env *e = *state;
    static const struct {
        enum web_stub_fault fault;
        unsigned skip, times;
        enum gw_err err;
    } rows[] = {
        {WEB_STUB_NONE, 0, 0, GW_OK},
        {WEB_STUB_TRUNCATE, 0, 3, GW_OK},
        {WEB_STUB_SHORT, 1, 3, GW_OK},
        {WEB_STUB_NO_RANGE, 0, 1, GW_OK},
        {WEB_STUB_NO_RANGE, 1, 9, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 0, 9, GW_UPSTREAM},
        {WEB_STUB_OTHER_RANGE, 1, 9, GW_UPSTREAM},
        {WEB_STUB_OTHER_ETAG, 1, 9, GW_CHANGED},
        {WEB_STUB_NO_SIZE, 0, 9, GW_UPSTREAM},
        {WEB_STUB_HANG, 1, 1, GW_OK},
    };
    web_stub_put(e->stub, "big", e->big, BIG_SIZE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        web_stub_fail(e->stub, rows[i].fault, "GET", rows[i].skip, rows[i].times, 0, NULL);
        enum gw_err err = read_big(e);
        if (err != rows[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
    }
}

static void test_replaced_while_read(void **state)
{
    struct env *e = *state;
    struct fs_file *f = NULL;
    uint8_t to[1000];
    size_t n;
    web_stub_put(e->stub, "big", e->big, BIG_SIZE);
    assert_int_equal(sync_open(e->fs, "/big", FS_READ, &f), GW_OK);
    assert_int_equal(sync_read(f, 0, to, sizeof to, &n), GW_OK);
    web_stub_put(e->stub, "big", e->big, BIG_SIZE);
    assert_int_equal(sync_read(f, BIG_SIZE / 2, to, sizeof to, &n), GW_CHANGED);
    fs_abort(&f);
}

/* ---- writing ---- */

static enum gw_err write_big(struct env *e)
{
    struct fs_file *f = NULL;
    enum gw_err err = sync_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    for (size_t at = 0; err == GW_OK && at < BIG_SIZE; at += 32768)
        err = sync_write(f, at, e->big + at, BIG_SIZE - at < 32768 ? BIG_SIZE - at : 32768);
    if (err == GW_OK)
        return sync_close(&f);
    fs_abort(&f);
    return err;
}

static enum gw_err write_small(struct env *e)
{
    return sync_put(e->fs, "/big", "small");
}

static void test_uploads(void **state)
{
    struct env *e = *state;
    static const struct {
        enum gw_err (*act)(struct env *e);
        enum web_stub_fault fault;
        const char *method;
        unsigned value;
        enum gw_err err;
    } rows[] = {
        {write_big, WEB_STUB_NONE, NULL, 0, GW_OK},
        {write_small, WEB_STUB_NONE, NULL, 0, GW_OK},
        {write_big, WEB_STUB_LOSE_ANSWER, "PUT", 0, GW_OK}, /* looked for, and there */
        {write_small, WEB_STUB_LOSE_ANSWER, "PUT", 0, GW_OK},
        {write_big, WEB_STUB_LOSE_ANSWER, "MOVE", 0, GW_OK},
        {write_small, WEB_STUB_LOSE_ANSWER, "MOVE", 0, GW_OK},
        {write_big, WEB_STUB_CUT_REQUEST, "PUT", 0, GW_IO}, /* cannot be sent again */
        {write_small, WEB_STUB_CUT_REQUEST, "PUT", 0, GW_OK},
        {write_big, WEB_STUB_STATUS, "PUT", 403, GW_DENIED},
        {write_big, WEB_STUB_STATUS, "PUT", 507, GW_NO_SPACE},
        {write_big, WEB_STUB_STATUS, "PUT", 500, GW_UPSTREAM},
        {write_small, WEB_STUB_STATUS, "PUT", 503, GW_OK},
        {write_big, WEB_STUB_HANG, "PUT", 0, GW_TIMEOUT},
        {write_small, WEB_STUB_STATUS, "MOVE", 412, GW_EXISTS},
        {write_big, WEB_STUB_STATUS, "PUT", 202, GW_UPSTREAM}, /* looked for, and not there */
        {write_small, WEB_STUB_STATUS, "PUT", 202, GW_UPSTREAM},
        {write_small, WEB_STUB_STATUS, "MOVE", 202, GW_UPSTREAM},
        {write_small, WEB_STUB_REDIRECT, "PUT", 0, GW_UPSTREAM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t *data;
        web_stub_put(e->stub, "big", "old", 3);
        web_stub_fail(e->stub, rows[i].fault, rows[i].method, 0, 1, rows[i].value,
                      "http://other.example/dav/x");
        enum gw_err err = rows[i].act(e);
        if (err != rows[i].err)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, rows[i].err);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        size_t want = err != GW_OK ? 3 : rows[i].act == write_big ? BIG_SIZE : 5;
        assert_int_equal(web_stub_file(e->stub, "big", &data), want);
        assert_memory_equal(data,
                            err != GW_OK ? "old"
                            : want == 5  ? "small"
                                         : (char *)e->big,
                            want);
        assert_true(sync_until(e->loop, clean, e->stub)); /* nothing of a reserved name stays */
    }
}

static void test_abort(void **state)
{
    struct env *e = *state;
    struct fs_file *f = NULL;
    web_stub_put(e->stub, "big", "old", 3);
    assert_int_equal(sync_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &f), GW_OK);
    for (size_t at = 0; at + 32768 < BIG_SIZE; at += 32768)
        assert_int_equal(sync_write(f, at, e->big + at, 32768), GW_OK);
    fs_abort(&f);
    assert_true(sync_until(e->loop, clean, e->stub));
    assert_int_equal(web_stub_file(e->stub, "big", NULL), 3);
}

static void test_exclusive(void **state)
{
    struct env *e = *state;
    for (int atomic = 0; atomic < 2; atomic++) {
        struct fs_file *f = NULL;
        store_close(e);
        store_open(e, atomic != 0);
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
    struct env *e = *state;
    web_stub_wants_length(e->stub, true);
    assert_int_equal(write_small(e), GW_OK);
    assert_int_equal(write_big(e), GW_UNSUPPORTED);
    unsigned puts = web_stub_requests(e->stub, "PUT");
    assert_int_equal(write_big(e), GW_UNSUPPORTED); /* without a spool */
    assert_int_equal(web_stub_requests(e->stub, "PUT"), puts);
    struct sync s = {0};
    struct fs_attr attr = {.set = FS_ATTR_SIZE, .size = BIG_SIZE};
    s.op = fs_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &attr, sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    struct fs_file *f = s.file;
    for (size_t at = 0; at < BIG_SIZE; at += 32768)
        assert_int_equal(
            sync_write(f, at, e->big + at, BIG_SIZE - at < 32768 ? BIG_SIZE - at : 32768), GW_OK);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(web_stub_file(e->stub, "big", NULL), BIG_SIZE);
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
    struct env *e = *state;
    struct fs_file *files[WRITERS];
    web_stub_fail(e->stub, WEB_STUB_STATUS, NULL, 0, 1, 503, NULL);
    assert_int_equal(stat_it(e), GW_NOT_FOUND);
    for (size_t i = 0; i < WRITERS; i++) {
        char path[16];
        snprintf(path, sizeof path, "/w%zu", i);
        assert_int_equal(sync_open(e->fs, path, FS_WRITE | FS_CREATE | FS_TRUNC, &files[i]), GW_OK);
        for (size_t at = 0; at < BEGUN; at += 32768)
            assert_int_equal(sync_write(files[i], at, e->big + at, 32768), GW_OK);
    }
    assert_int_equal(stat_it(e), GW_NOT_FOUND);
    assert_int_equal(put_it(e), GW_OK);
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
    struct env *e = *state;
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
    enum { MANY = 100000 };
    struct env *e = *state;
    web_stub_fail(e->stub, WEB_STUB_MANY, "PROPFIND", 0, 1, MANY, NULL);
    struct sync s = {0};
    s.op = fs_opendir(e->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(e->loop, &s), GW_OK);
    struct fs_dir *d = s.dir;
    unsigned n = 0, batches = 0;
    enum gw_err err;
    do {
        char room[65536];
        struct gw_buf names;
        gw_buf_init(&names, sizeof room);
        s = (struct sync){.list = &names};
        s.op = fs_readdir(d, 100, sync_done, &s);
        err = sync_wait(e->loop, &s);
        for (size_t i = 0; i < names.len; i++)
            n += names.data[i] == '\0';
        if (batches++ == 0) /* the first are here while the server is still writing */
            assert_in_range(web_stub_written(e->stub), 0, MANY / 2);
        gw_buf_free(&names);
    } while (err == GW_OK);
    assert_int_equal(err, GW_EOF);
    assert_int_equal(n, MANY);
    fs_closedir(&d);
}

/* ---- elsewhere ---- */

static void test_redirects(void **state)
{
    struct env *e = *state;
    char inside[64];
    web_stub_put(e->stub, "f", "text", 4);
    snprintf(inside, sizeof inside, "http://127.0.0.1:%u/dav/f", web_stub_port(e->stub));
    static const char *const outside[] = {"http://localhost/dav/f", "https://127.0.0.1/dav/f",
                                          "//127.0.0.2/dav/f", "ftp://127.0.0.1/f", "f"};
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, inside);
    assert_int_equal(stat_it(e), GW_OK);
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, "/dav/f");
    assert_int_equal(stat_it(e), GW_OK);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        unsigned before = web_stub_requests(e->stub, NULL);
        web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 1, 0, outside[i]);
        assert_int_equal(stat_it(e), GW_UPSTREAM);
        assert_int_equal(web_stub_requests(e->stub, NULL), before + 1);
    }
    web_stub_fail(e->stub, WEB_STUB_REDIRECT, NULL, 0, 100, 0, "/dav/f"); /* in a circle */
    assert_int_equal(stat_it(e), GW_UPSTREAM);
    web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
}

/* A server that says that it keeps a time, and does not. */
static void test_times(void **state)
{
    struct env *e = *state;
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

/* The folder of a prefix is made when it is first used. */
static void test_prefix(void **state)
{
    struct env *e = *state;
    const struct backend_view args = {.prefix = "new/user"};
    struct fs *fs = NULL;
    char names[100];
    assert_int_equal(backend_view_new(e->backend, &args, &fs), GW_OK);
    (void)sync_list(fs, "/", 10, names, sizeof names);
    assert_int_equal(web_stub_requests(e->stub, "MKCOL"), 2);
    fs_free(&fs);
    const struct backend_view reader = {.prefix = "new/user", .read_only = true};
    assert_int_equal(backend_view_new(e->backend, &reader, &fs), GW_OK);
    assert_int_equal(sync_list(fs, "/", 10, names, sizeof names), GW_NOT_FOUND);
    assert_int_equal(web_stub_requests(e->stub, "MKCOL"), 2);
    fs_free(&fs);
}

/* A folder is never removed or replaced with what is in it. */
static void test_folders_are_safe(void **state)
{
    struct env *e = *state;
    web_stub_put(e->stub, "f", "text", 4);
    unsigned deletes = web_stub_requests(e->stub, "DELETE"),
             moves = web_stub_requests(e->stub, "MOVE");
    assert_int_equal(sync_remove(e->fs, "/d"), GW_IS_DIR);
    assert_int_equal(sync_rename(e->fs, "/f", "/d", FS_RENAME_OVERWRITE), GW_EXISTS);
    assert_int_equal(sync_put(e->fs, "/d", "x"), GW_IS_DIR);
    assert_int_equal(sync_rename(e->fs, "/d", "/d/x", 0), GW_BAD_ARG);
    assert_int_equal(sync_rmdir(e->fs, "/"), GW_DENIED);
    assert_int_equal(web_stub_requests(e->stub, "DELETE"), deletes);
    assert_int_equal(web_stub_requests(e->stub, "MOVE"), moves);
}

static void test_reserved(void **state)
{
    struct env *e = *state;
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

static struct op *start_stat(struct env *e, struct sync *s)
{
    return fs_stat(e->fs, "/f", true, sync_done, s);
}

static struct op *start_setstat(struct env *e, struct sync *s)
{
    static const struct fs_attr attr = {.set = FS_ATTR_MTIME, .mtime_s = 1};
    return fs_setstat(e->fs, "/f", true, &attr, sync_done, s);
}

static struct op *start_read(struct env *e, struct sync *s)
{
    return fs_open(e->fs, "/big", FS_READ, NULL, sync_done, s);
}

static struct op *start_write(struct env *e, struct sync *s)
{
    return fs_open(e->fs, "/new", FS_WRITE | FS_CREATE | FS_TRUNC, NULL, sync_done, s);
}

static struct op *start_close(struct env *e, struct sync *s)
{
    struct fs_file *f = NULL;
    assert_int_equal(sync_open(e->fs, "/f", FS_WRITE | FS_CREATE | FS_TRUNC, &f), GW_OK);
    assert_int_equal(sync_write(f, 0, "text", 4), GW_OK);
    return fs_close(&f, sync_done, s);
}

static struct op *start_list(struct env *e, struct sync *s)
{
    return fs_opendir(e->fs, "/", sync_done, s);
}

static struct op *start_remove(struct env *e, struct sync *s)
{
    return fs_remove(e->fs, "/f", sync_done, s);
}

static struct op *start_mkdir(struct env *e, struct sync *s)
{
    return fs_mkdir(e->fs, "/new", NULL, sync_done, s);
}

static struct op *start_rmdir(struct env *e, struct sync *s)
{
    return fs_rmdir(e->fs, "/d", sync_done, s);
}

static struct op *start_rename(struct env *e, struct sync *s)
{
    return fs_rename(e->fs, "/f", "/g", FS_RENAME_OVERWRITE, sync_done, s);
}

static struct op *start_space(struct env *e, struct sync *s)
{
    return fs_statvfs(e->fs, "/", sync_done, s);
}

static void test_cancelled(void **state)
{
    struct env *e = *state;
    static struct op *(*const starts[])(struct env * e, struct sync * s) = {
        start_stat,   start_setstat, start_read,  start_write,  start_close, start_list,
        start_remove, start_mkdir,   start_rmdir, start_rename, start_space,
    };
    web_stub_put(e->stub, "big", e->big, BIG_SIZE);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        bool ended = false;
        for (unsigned turns = 0; !ended; turns++) {
            struct sync s = {0};
            assert_true(turns < 10000);
            web_stub_put(e->stub, "f", "old", 3);
            s.op = starts[i](e, &s);
            for (unsigned k = 0; k < turns && !s.done; k++)
                loop_turn(e->loop);
            ended = s.done;
            op_cancel(&s.op);
            assert_int_equal(s.done, ended);
            fs_abort(&s.file);
            fs_closedir(&s.dir);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_while_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uploads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exclusive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wants_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writers_that_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_listings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders_are_safe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
