#include "tests/support/webkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/sync.h"

#define MIB ((size_t)1 << 20)

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "webkit: %s\n", what);
    abort();
}

/* ---- the store ---- */

static void conf_read(struct web_conf *conf, json_t *obj)
{
    struct opt_reader reader = {0};
    gw_buf_init(&reader.problems, 1u << 16);
    options_read(&reader, web_options, obj, "", conf);
    json_decref(obj);
    must(reader.nproblems == 0, gw_buf_cstr(&reader.problems));
    gw_buf_free(&reader.problems);
}

void webkit_open(struct webkit *e, bool atomic)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%s/", web_stub_port(e->stub),
             e->httpfs ? "fs" : "dav");
    conf_read(&e->conf, json_pack("{ss ss si si si sb}", "url", url, "dialect",
                                  e->httpfs ? "httpfs" : "webdav", "timeout_s", 2, "max_retries", 1,
                                  "stat_cache_ms", 0, "atomic_uploads", atomic));
    const struct backend_env env = {.loop = e->loop, .budget = e->budget, .spool = e->spool};
    const struct opt_any any = {.kind = &web_kind.opt, .conf = &e->conf};
    const struct backend_view view = {.prefix = ""};
    struct gw_errmsg msg;
    must(backend_new(&env, "web", &any, &e->backend, &msg) == GW_OK, "backend_new");
    must(backend_view_new(e->backend, &view, &e->fs) == GW_OK, "backend_view_new");
}

void webkit_close(struct webkit *e)
{
    fs_free(&e->fs);
    backend_unref(&e->backend);
    options_free(web_options, &e->conf);
}

static int setup(void **state, bool httpfs)
{
    struct webkit *e = mem_zalloc(sizeof *e);
    e->httpfs = httpfs;
    e->stub = web_stub_start();
    must(loop_new(&e->loop) == GW_OK, "loop_new");
    e->budget = budget_new(64 * MIB);
    e->big = mem_alloc(WEBKIT_BIG);
    for (size_t i = 0; i < WEBKIT_BIG; i++)
        e->big[i] = (uint8_t)((i * 2654435761u) >> 13);
    webkit_open(e, true);
    *state = e;
    return 0;
}

int webkit_setup_dav(void **state)
{
    return setup(state, false);
}

int webkit_setup_httpfs(void **state)
{
    return setup(state, true);
}

int webkit_teardown(void **state)
{
    struct webkit *e = *state;
    webkit_close(e);
    loop_free(&e->loop); /* what it still has to remove it asks the server for */
    web_stub_stop(&e->stub);
    must(budget_used(e->budget) == 0, "the budget has not got back what it gave");
    budget_free(&e->budget);
    mem_free(e->big);
    mem_free(e);
    return 0;
}

/* ---- what a client does ---- */

enum gw_err webkit_list(struct webkit *e)
{
    char names[4096];
    return sync_list(e->fs, "/", 100, names, sizeof names);
}

enum gw_err webkit_get(struct webkit *e)
{
    char text[100];
    return sync_get(e->fs, "/f", text, sizeof text);
}

enum gw_err webkit_put(struct webkit *e)
{
    return sync_put(e->fs, "/f", "new");
}

enum gw_err webkit_stat(struct webkit *e)
{
    struct fs_attr a;
    return sync_stat(e->fs, "/f", true, &a);
}

enum gw_err webkit_remove(struct webkit *e)
{
    return sync_remove(e->fs, "/f");
}

enum gw_err webkit_mkdir(struct webkit *e)
{
    return sync_mkdir(e->fs, "/new");
}

enum gw_err webkit_rename(struct webkit *e)
{
    return sync_rename(e->fs, "/f", "/g", 0);
}

enum gw_err webkit_chmod(struct webkit *e)
{
    const struct fs_attr attr = {.set = FS_ATTR_MODE, .mode = 0600};
    return sync_setstat(e->fs, "/f", true, &attr);
}

enum gw_err webkit_utime(struct webkit *e)
{
    const struct fs_attr attr = {.set = FS_ATTR_MTIME, .mtime_s = 1000000000};
    return sync_setstat(e->fs, "/f", true, &attr);
}

enum gw_err webkit_space(struct webkit *e)
{
    struct sync s = {0};
    s.op = fs_statvfs(e->fs, "/", sync_done, &s);
    return sync_wait(e->loop, &s);
}

enum gw_err webkit_read_big(struct webkit *e)
{
    struct fs_file *f = NULL;
    uint8_t *to = mem_alloc(WEBKIT_BIG);
    size_t have = 0, n = 0;
    enum gw_err err = sync_open(e->fs, "/big", FS_READ, &f);
    while (err == GW_OK && have < WEBKIT_BIG) {
        err = sync_read(f, have, to + have, 100000, &n);
        have += err == GW_OK ? n : 0;
    }
    must(memcmp(to, e->big, err == GW_OK ? WEBKIT_BIG : have) == 0, "other bytes were read");
    fs_abort(&f);
    mem_free(to);
    return err;
}

enum gw_err webkit_write_big(struct webkit *e)
{
    struct fs_file *f = NULL;
    enum gw_err err = sync_open(e->fs, "/big", FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    for (size_t at = 0; err == GW_OK && at < WEBKIT_BIG; at += 32768)
        err = sync_write(f, at, e->big + at, WEBKIT_BIG - at < 32768 ? WEBKIT_BIG - at : 32768);
    if (err == GW_OK)
        return sync_close(&f);
    fs_abort(&f);
    return err;
}

enum gw_err webkit_write_small(struct webkit *e)
{
    return sync_put(e->fs, "/big", "small");
}

void webkit_words(struct webkit *e, char *text)
{
    struct sync s = {0};
    s.op = fs_stat(e->fs, "/f", true, sync_done, &s);
    (void)sync_wait(e->loop, &s);
    snprintf(text, FS_TEXT_MAX, "%s", s.text);
}

/* A batch: its error; *n grows by its entries. */
static enum gw_err read_batch(struct webkit *e, struct fs_dir *d, unsigned *n)
{
    struct gw_buf names;
    gw_buf_init(&names, 65536);
    struct sync s = {.list = &names};
    s.op = fs_readdir(d, 100, sync_done, &s);
    enum gw_err err = sync_wait(e->loop, &s);
    for (size_t i = 0; i < names.len; i++)
        *n += names.data[i] == '\0';
    gw_buf_free(&names);
    return err;
}

bool webkit_many(struct webkit *e, const char *word)
{
    enum { MANY = 100000 };
    web_stub_fail(e->stub, WEB_STUB_MANY, word, 0, 1, MANY, NULL);
    struct sync s = {0};
    s.op = fs_opendir(e->fs, "/", sync_done, &s);
    must(sync_wait(e->loop, &s) == GW_OK, "fs_opendir");
    struct fs_dir *d = s.dir;
    unsigned n = 0;
    enum gw_err err = read_batch(e, d, &n);
    unsigned written = web_stub_written(e->stub);
    while (err == GW_OK)
        err = read_batch(e, d, &n);
    fs_closedir(&d);
    if (err == GW_EOF && n == MANY && written <= MANY / 2)
        return true;
    fprintf(stderr, "%u entries, %u written before the first came, %s\n", n, written,
            gw_err_name(err));
    return false;
}

static bool clean(void *arg)
{
    return web_stub_files(arg) == 1;
}

bool webkit_until_clean(struct webkit *e)
{
    return sync_until(e->loop, clean, e->stub);
}

/* ---- rows ---- */

static bool holds(struct webkit *e, const char *name, const void *want, size_t n)
{
    const uint8_t *data;
    return web_stub_file(e->stub, name, &data) == (int64_t)n && memcmp(data, want, n) == 0;
}

static bool is_status(struct webkit *e, const struct webkit_status_row *row)
{
    web_stub_put(e->stub, "f", "old", 3);
    unsigned before = web_stub_requests(e->stub, row->word);
    web_stub_fail(e->stub, WEB_STUB_STATUS, row->word, row->skip, 2, row->status, NULL);
    enum gw_err err = row->act(e);
    unsigned requests = web_stub_requests(e->stub, row->word) - before;
    web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
    bool whole = holds(e, "f", "old", 3), alone = webkit_until_clean(e);
    if (err == row->err && requests == row->requests && whole && alone)
        return true;
    fprintf(stderr, "row %s %u: %s, %u requests%s%s\n", row->word, row->status, gw_err_name(err),
            requests, whole ? "" : ", the file is gone", alone ? "" : ", something stays");
    return false;
}

static bool is_upload(struct webkit *e, const struct webkit_upload_row *row)
{
    web_stub_put(e->stub, "big", "old", 3);
    web_stub_fail(e->stub, row->fault, row->word, 0, 1, row->value, "http://other.example/dav/x");
    enum gw_err err = row->act(e);
    web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
    bool expected = err == row->err || err == row->or_err;
    bool whole = err != GW_OK                   ? holds(e, "big", "old", 3)
                 : row->act == webkit_write_big ? holds(e, "big", e->big, WEBKIT_BIG)
                                                : holds(e, "big", "small", 5);
    bool alone = webkit_until_clean(e); /* nothing of a reserved name stays */
    if (expected && whole && alone)
        return true;
    fprintf(stderr, "row %s, fault %d, %u: %s%s%s\n", row->word != NULL ? row->word : "",
            (int)row->fault, row->value, gw_err_name(err), whole ? "" : ", the file is another one",
            alone ? "" : ", something stays");
    return false;
}

unsigned webkit_uploads(struct webkit *e, const struct webkit_upload_row *rows, size_t n)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += !is_upload(e, &rows[i]);
        webkit_close(e); /* what it has learned of the server is of this row */
        webkit_open(e, true);
    }
    return wrong;
}

unsigned webkit_statuses(struct webkit *e, const struct webkit_status_row *rows, size_t n)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < n; i++)
        wrong += !is_status(e, &rows[i]);
    return wrong;
}

unsigned webkit_reads(struct webkit *e, const char *word, const struct webkit_read_row *rows,
                      size_t n)
{
    unsigned wrong = 0;
    web_stub_put(e->stub, "big", e->big, WEBKIT_BIG);
    for (size_t i = 0; i < n; i++) {
        web_stub_fail(e->stub, rows[i].fault, word, rows[i].skip, rows[i].times, 0, NULL);
        enum gw_err err = webkit_read_big(e);
        web_stub_fail(e->stub, WEB_STUB_NONE, NULL, 0, 0, 0, NULL);
        if (err == rows[i].err || err == rows[i].or_err)
            continue;
        fprintf(stderr, "row %zu: %s\n", i, gw_err_name(err));
        wrong++;
    }
    return wrong;
}

enum gw_err webkit_read_replaced(struct webkit *e)
{
    struct fs_file *f = NULL;
    uint8_t to[1000];
    size_t n;
    web_stub_put(e->stub, "big", e->big, WEBKIT_BIG);
    must(sync_open(e->fs, "/big", FS_READ, &f) == GW_OK, "no file");
    must(sync_read(f, 0, to, sizeof to, &n) == GW_OK, "no first read");
    web_stub_put(e->stub, "big", e->big, WEBKIT_BIG);
    enum gw_err err = sync_read(f, WEBKIT_BIG / 2, to, sizeof to, &n);
    fs_abort(&f);
    return err;
}
