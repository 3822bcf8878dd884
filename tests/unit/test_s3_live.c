/*
 * The s3 store against a real server, which the environment names: POSTERN_TEST_S3_ENDPOINT, _KEY,
 * _SECRET, _BUCKET (made when it is not there), _CA (a PEM file). Without it every test is skipped.
 * _OBJECTS: how many the large folders hold (10000), for servers that take their time.
 */
#include "backends/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/s3_lab.h"
#include "tests/support/sync.h"

static struct s3_client *client_of(struct s3_lab *x)
{
    return ((struct s3_store *)x->backend)->client;
}

/* ---- plain requests, several at once ---- */

struct many {
    size_t left;
    enum gw_err err;
};

static void many_done(void *arg, const struct remote_res *res)
{
    struct many *m = arg;
    m->left--;
    if (res->err != GW_OK)
        m->err = res->err;
}

static bool many_over(void *arg)
{
    return ((struct many *)arg)->left == 0;
}

static void send_one(struct s3_lab *x, struct many *m, const char *method, const char *key,
                     const char *body)
{
    struct gw_span *span = mem_zalloc(sizeof *span);
    *span = gw_span_str(body);
    const struct s3_req req = {.method = method,
                               .key = key,
                               .body = span,
                               .nbody = *body != '\0' ? 1 : 0,
                               .max_body = 1u << 20};
    m->left++;
    (void)s3_client_start(client_of(x), &req, many_done, m);
    mem_free(span);
}

/* Object `name` below the run's prefix. */
static void put(struct s3_lab *x, const char *name, const char *body)
{
    struct many m = {0};
    char *key = mem_printf("%s/%s", x->prefix, name);
    send_one(x, &m, "PUT", key, body);
    assert_true(sync_until(x->loop, many_over, &m));
    assert_int_equal(m.err, GW_OK);
    mem_free(key);
}

static bool exists(struct s3_lab *x, const char *name)
{
    struct many m = {0};
    char *key = mem_printf("%s/%s", x->prefix, name);
    send_one(x, &m, "HEAD", key, "");
    assert_true(sync_until(x->loop, many_over, &m));
    assert_true(m.err == GW_OK || m.err == GW_NOT_FOUND);
    mem_free(key);
    return m.err == GW_OK;
}

/* n objects: `name` and five digits. */
static void put_many(struct s3_lab *x, unsigned n, const char *name)
{
    struct many m = {0};
    for (unsigned i = 0; i < n; i++) {
        char *key = mem_printf("%s/%s%05u", x->prefix, name, i);
        send_one(x, &m, "PUT", key, "x");
        mem_free(key);
        if (m.left >= 64 || i + 1 == n)
            assert_true(sync_until(x->loop, many_over, &m));
    }
    assert_int_equal(m.err, GW_OK);
}

static bool sync_is_over(void *arg)
{
    return ((struct sync *)arg)->done;
}

/* A server that copies one object after the other needs longer than sync_rename() waits. */
static enum gw_err rename_slowly(struct s3_lab *x, const char *from, const char *to, uint32_t flags)
{
    struct sync s = {0};
    s.op = fs_rename(x->fs, from, to, flags, sync_done, &s);
    for (int i = 0; i < 12 && !sync_until(x->loop, sync_is_over, &s); i++)
        continue;
    assert_true(s.done);
    return s.err;
}

static unsigned objects(void)
{
    const char *text = getenv("POSTERN_TEST_S3_OBJECTS");
    return text == NULL ? 10000 : (unsigned)strtoul(text, NULL, 10);
}

/* ---- set-up ---- */

static int setup(void **state)
{
    *state = s3_lab_real(64 * S3_LAB_MIB);
    return 0;
}

static struct s3_lab *live(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

#define LIST(x, path, want)                                                                        \
    do {                                                                                           \
        char list_[4096];                                                                          \
        assert_int_equal(sync_list((x)->fs, path, 7, list_, sizeof list_), GW_OK);                 \
        assert_string_equal(list_, want);                                                          \
    } while (0)

/* ---- tests ---- */

static void test_probe(void **state)
{
    struct s3_lab *x = live(state);
    char text[FS_TEXT_MAX];
    assert_int_equal(sync_probe(x->backend, text), GW_OK);
}

static void test_root_of_nothing(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    LIST(x, "/", "");
    assert_int_equal(sync_stat(x->fs, "/", true, &a), GW_OK);
    assert_int_equal(a.kind, FS_KIND_DIR);
    assert_int_equal(sync_stat(x->fs, "/none", true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_mkdir(x->fs, "/"), GW_EXISTS);
    assert_int_equal(sync_remove(x->fs, "/none"), GW_NOT_FOUND);
    assert_int_equal(sync_rmdir(x->fs, "/none"), GW_NOT_FOUND);
    assert_int_equal(sync_rename(x->fs, "/none", "/other", 0), GW_NOT_FOUND);
}

static void test_folders(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    assert_int_equal(sync_mkdir(x->fs, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(x->fs, "/d"), GW_EXISTS);
    assert_int_equal(sync_mkdir(x->fs, "/d/e"), GW_OK);
    LIST(x, "/d", "e/");
    LIST(x, "/d/e", "");
    assert_int_equal(sync_stat(x->fs, "/d/e", true, &a), GW_OK);
    assert_int_equal(a.kind, FS_KIND_DIR);
    assert_true(a.set & FS_ATTR_MTIME);
    assert_int_equal(sync_rmdir(x->fs, "/d"), GW_NOT_EMPTY);
    put(x, "d/f", "four");
    assert_int_equal(sync_rmdir(x->fs, "/d/f"), GW_NOT_DIR);
    assert_int_equal(sync_remove(x->fs, "/d/e"), GW_IS_DIR);
    assert_int_equal(sync_mkdir(x->fs, "/d/f"), GW_EXISTS);
    struct fs_attr f;
    assert_int_equal(sync_stat(x->fs, "/d/f", true, &f), GW_OK);
    assert_int_equal(f.kind, FS_KIND_REG);
    assert_int_equal(f.size, 4);
    assert_int_equal(sync_rmdir(x->fs, "/d/e"), GW_OK);
    assert_int_equal(sync_remove(x->fs, "/d/f"), GW_OK);
    assert_int_equal(sync_rmdir(x->fs, "/d"), GW_OK);
    assert_int_equal(sync_stat(x->fs, "/d", true, &a), GW_NOT_FOUND);
}

/* A folder that no marker made stays when its last file goes, and can be removed. */
static void test_implicit_folder_stays(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    put(x, "im/p/file", "x");
    LIST(x, "/im", "p/");
    assert_int_equal(sync_remove(x->fs, "/im/p/file"), GW_OK);
    assert_int_equal(sync_stat(x->fs, "/im/p", true, &a), GW_OK);
    assert_int_equal(sync_rmdir(x->fs, "/im/p"), GW_OK);
    assert_int_equal(sync_rmdir(x->fs, "/im"), GW_OK);
    put(x, "from/only", "x");
    assert_int_equal(sync_rename(x->fs, "/from/only", "/only", 0), GW_OK);
    LIST(x, "/from", "");
    assert_int_equal(sync_rmdir(x->fs, "/from"), GW_OK);
    assert_int_equal(sync_remove(x->fs, "/only"), GW_OK);
}

static const char *const odd_names[] = {
    "a b",
    "a+b",
    "a%2Fb",
    "%41",
    "~tilde",
    "back\\slash",
    "q?x=1&y",
    "hash#",
    "semi;colon:at@",
    "quote'\"",
    "<xml>&amp;",
    "new\nline",
    "tab\there",
    "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
    "-dash",
    "star*",
    "(paren)",
    "comma,",
    "$dollar",
    "...",
    "..a",
    "trailing ",
    " leading",
    "\x01control",
    "[b]{c}|^`",
};

static void test_odd_names(void **state)
{
    struct s3_lab *x = live(state);
    for (size_t i = 0; i < sizeof odd_names / sizeof odd_names[0]; i++) {
        char path[128];
        char other[128];
        char want[64];
        struct fs_attr a;
        char list[4096];
        char *name = mem_printf("odd/%s", odd_names[i]);
        print_message("          %s\n", odd_names[i]);
        put(x, name, "12345");
        mem_free(name);
        snprintf(path, sizeof path, "/odd/%s", odd_names[i]);
        snprintf(other, sizeof other, "/odd/%s.2", odd_names[i]);
        snprintf(want, sizeof want, "%s", odd_names[i]);
        assert_int_equal(sync_list(x->fs, "/odd", 10, list, sizeof list), GW_OK);
        assert_string_equal(list, want);
        assert_int_equal(sync_stat(x->fs, path, true, &a), GW_OK);
        assert_int_equal(a.size, 5);
        assert_int_equal(sync_rename(x->fs, path, other, 0), GW_OK);
        assert_int_equal(sync_stat(x->fs, path, true, &a), GW_NOT_FOUND);
        assert_int_equal(sync_stat(x->fs, other, true, &a), GW_OK);
        assert_int_equal(sync_remove(x->fs, other), GW_OK);
    }
    assert_int_equal(sync_rmdir(x->fs, "/odd"), GW_OK);
}

static void test_long_names(void **state)
{
    struct s3_lab *x = live(state);
    size_t room = S3_KEY_MAX - strlen(x->prefix) - 1; /* of a key below the prefix */
    char path[S3_KEY_MAX + 16] = "/";
    struct fs_attr a;
    memset(path + 1, 'n', room);
    for (size_t at = 200; at < room; at += 200)
        path[at] = '/';
    put(x, path + 1, "x");
    assert_int_equal(sync_stat(x->fs, path, true, &a), GW_OK);
    assert_int_equal(sync_remove(x->fs, path), GW_OK);
    path[room + 1] = 'n';
    assert_int_equal(sync_stat(x->fs, path, true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_mkdir(x->fs, path), GW_BAD_NAME);
}

/* What no path can name is not shown, not renamed away and not deleted with its folder. */
static void test_hidden_names(void **state)
{
    struct s3_lab *x = live(state);
    put(x, "hid/seen", "x");
    put(x, "hid//double", "x");
    put(x, "hid/./dot", "x");
    put(x, "hid/../up", "x");
    LIST(x, "/hid", "seen");
    assert_int_equal(sync_remove(x->fs, "/hid/seen"), GW_OK);
    assert_int_equal(sync_rmdir(x->fs, "/hid"), GW_NOT_EMPTY);
    assert_true(exists(x, "hid//double"));
    assert_true(exists(x, "hid/../up"));
    assert_int_equal(sync_rename(x->fs, "/hid", "/moved", 0), GW_OK);
    assert_true(exists(x, "moved//double"));
    assert_true(exists(x, "moved/../up"));
    assert_false(exists(x, "hid//double"));
}

static void test_folder_wins(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    put(x, "both/d", "file");
    put(x, "both/d/x", "x");
    put(x, "both/d-between", "x");
    LIST(x, "/both", "d-between d/");
    assert_int_equal(sync_stat(x->fs, "/both/d", true, &a), GW_OK);
    assert_int_equal(a.kind, FS_KIND_DIR);
    assert_int_equal(sync_remove(x->fs, "/both/d"), GW_IS_DIR);
}

struct counted {
    struct op *op;
    bool done;
    enum gw_err err;
    size_t entries, batches;
};

static void count_done(void *arg, const struct fs_res *res)
{
    struct counted *c = arg;
    c->op = NULL;
    c->done = true;
    c->err = res->err;
    c->entries += res->nentries;
    c->batches++;
}

static bool count_over(void *arg)
{
    return ((struct counted *)arg)->done;
}

static void test_ten_thousand(void **state)
{
    struct s3_lab *x = live(state);
    put_many(x, objects(), "many/key-");
    struct sync s = {0};
    s.op = fs_opendir(x->fs, "/many", sync_done, &s);
    assert_int_equal(sync_wait(x->loop, &s), GW_OK);
    struct counted c = {0};
    while (c.err == GW_OK) {
        c.done = false;
        c.op = fs_readdir(s.dir, 100, count_done, &c);
        assert_true(sync_until(x->loop, count_over, &c));
    }
    assert_int_equal(c.err, GW_EOF);
    assert_int_equal(c.entries, objects());
    assert_in_range(c.batches, objects() / 100 + 1, objects() / 100 + 20);
    fs_closedir(&s.dir);
}

static void test_rename_file(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    put(x, "ren/a", "first");
    put(x, "ren/b", "second!");
    assert_int_equal(sync_rename(x->fs, "/ren/a", "/ren/b", 0), GW_EXISTS);
    assert_int_equal(sync_rename(x->fs, "/ren/a", "/ren/b", FS_RENAME_OVERWRITE), GW_OK);
    assert_int_equal(sync_stat(x->fs, "/ren/a", true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_stat(x->fs, "/ren/b", true, &a), GW_OK);
    assert_int_equal(a.size, 5);
    assert_int_equal(sync_rename(x->fs, "/ren/b", "/ren/b", 0), GW_EXISTS);
    assert_int_equal(sync_rename(x->fs, "/ren/b", "/ren/b", FS_RENAME_OVERWRITE), GW_OK);
    assert_int_equal(sync_mkdir(x->fs, "/ren/d"), GW_OK);
    assert_int_equal(sync_rename(x->fs, "/ren/b", "/ren/d", FS_RENAME_OVERWRITE), GW_IS_DIR);
    assert_int_equal(sync_rename(x->fs, "/ren/d", "/ren/b", FS_RENAME_OVERWRITE), GW_NOT_DIR);
    LIST(x, "/ren", "b d/");
}

static void test_rename_folder(void **state)
{
    struct s3_lab *x = live(state);
    unsigned n = objects() < 1500 ? objects() : 1500;
    char last[64];
    put_many(x, n, "tree/sub/");
    assert_int_equal(sync_mkdir(x->fs, "/tree"), GW_EXISTS);
    assert_int_equal(sync_rename(x->fs, "/tree", "/tree/sub/in", 0), GW_BAD_ARG);
    assert_int_equal(sync_rename(x->fs, "/tree/sub", "/tree", 0), GW_EXISTS);
    assert_int_equal(sync_rename(x->fs, "/tree/sub", "/tree", FS_RENAME_OVERWRITE), GW_NOT_EMPTY);
    assert_int_equal(rename_slowly(x, "/tree", "/grown", 0), GW_OK);
    LIST(x, "/grown", "sub/");
    snprintf(last, sizeof last, "grown/sub/%05u", n - 1);
    assert_true(exists(x, "grown/sub/00000"));
    assert_true(exists(x, last));
    snprintf(last, sizeof last, "tree/sub/%05u", n - 1);
    assert_false(exists(x, "tree/sub/00000"));
    assert_false(exists(x, last));
}

/* In parts: the content, the times and the type are the source's, and no upload is left. */
static void test_copy_in_parts(void **state)
{
    struct s3_lab *x = live(state);
    const size_t n = (11u << 20) + 17;
    char *data = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)('a' + (i / 4099 + i) % 26);
    data[n] = '\0';
    struct fs_attr a;
    assert_int_equal(sync_put(x->fs, "/big", data), GW_OK);
    struct fs_attr want = {.set = FS_ATTR_MTIME, .mtime_s = 1234567890};
    assert_int_equal(sync_setstat(x->fs, "/big", true, &want), GW_OK);
    x->conf.copy_part_mb = 5;
    assert_int_equal(rename_slowly(x, "/big", "/big.parts", 0), GW_OK);
    want.mtime_s = 1234567891; /* onto itself */
    assert_int_equal(sync_setstat(x->fs, "/big.parts", true, &want), GW_OK);
    x->conf.copy_part_mb = 5120;
    assert_int_equal(sync_stat(x->fs, "/big", true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_stat(x->fs, "/big.parts", true, &a), GW_OK);
    assert_int_equal(a.mtime_s, 1234567891);
    assert_int_equal(a.size, n);
    char *back = mem_alloc(n + 2);
    assert_int_equal(sync_get(x->fs, "/big.parts", back, n + 2), GW_OK);
    assert_true(strcmp(back, data) == 0);
    mem_free(back);
    mem_free(data);
    assert_int_equal(sync_remove(x->fs, "/big.parts"), GW_OK);
}

/* copy-data: the copy is there after the close, and only then. */
static void test_copy_data(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_file *from;
    struct fs_file *to;
    struct fs_attr a;
    char text[32];
    put(x, "cp/a", "content");
    assert_int_equal(sync_open(x->fs, "/cp/a", FS_READ, &from), GW_OK);
    assert_int_equal(sync_open(x->fs, "/cp/b", FS_WRITE | FS_CREATE | FS_TRUNC, &to), GW_OK);
    struct sync s = {0};
    s.op = fs_copy(from, 3, 0, to, 0, sync_done, &s);
    assert_int_equal(sync_wait(x->loop, &s), GW_UNSUPPORTED);
    s = (struct sync){0};
    s.op = fs_copy(from, 0, 0, to, 0, sync_done, &s);
    assert_int_equal(sync_wait(x->loop, &s), GW_OK);
    assert_int_equal(s.bytes, 7);
    assert_int_equal(sync_stat(x->fs, "/cp/b", true, &a), GW_NOT_FOUND);
    assert_int_equal(sync_close(&to), GW_OK);
    assert_int_equal(sync_close(&from), GW_OK);
    assert_int_equal(sync_get(x->fs, "/cp/b", text, sizeof text), GW_OK);
    assert_string_equal(text, "content");
}

/* A rename that ended half-way goes on when it is asked for again. */
static void test_rename_resumed(void **state)
{
    struct s3_lab *x = live(state);
    put_many(x, 5, "half/");
    put_many(x, 3, "whole/"); /* some copied, nothing deleted */
    assert_int_equal(sync_rename(x->fs, "/half", "/whole", 0), GW_OK);
    LIST(x, "/whole", "00000 00001 00002 00003 00004");
    put_many(x, 2, "half/"); /* all copied, some deleted */
    assert_int_equal(sync_rename(x->fs, "/half", "/whole", 0), GW_OK);
    LIST(x, "/whole", "00000 00001 00002 00003 00004");
    put_many(x, 2, "half/");
    put(x, "half/other", "x"); /* neither holds the other: another folder */
    assert_int_equal(sync_rename(x->fs, "/half", "/whole", 0), GW_EXISTS);
    LIST(x, "/half", "00000 00001 other");
    put(x, "whole/00000", "changed");
    struct many m = {0};
    char *key = mem_printf("%s/half/other", x->prefix);
    send_one(x, &m, "DELETE", key, "");
    mem_free(key);
    assert_true(sync_until(x->loop, many_over, &m));
    assert_int_equal(sync_rename(x->fs, "/half", "/whole", 0), GW_EXISTS);
    LIST(x, "/half", "00000 00001");
}

static void test_rename_too_many(void **state)
{
    struct s3_lab *x = live(state);
    uint32_t was = x->conf.rename_max_objects;
    put_many(x, 5, "limit/");
    x->conf.rename_max_objects = 4;
    assert_int_equal(sync_rename(x->fs, "/limit", "/beyond", 0), GW_TOO_LARGE);
    x->conf.rename_max_objects = was;
    LIST(x, "/limit", "00000 00001 00002 00003 00004");
}

static void test_setstat(void **state)
{
    struct s3_lab *x = live(state);
    struct fs_attr a;
    put(x, "set/file", "text");
    struct fs_attr want = {.set = FS_ATTR_MTIME | FS_ATTR_ATIME | FS_ATTR_MODE,
                           .mode = 0600,
                           .mtime_s = 1234567890,
                           .mtime_ns = 500000000};
    assert_int_equal(sync_setstat(x->fs, "/set/file", true, &want), GW_OK);
    assert_int_equal(sync_stat(x->fs, "/set/file", true, &a), GW_OK);
    assert_int_equal(a.mtime_s, 1234567890);
    assert_int_equal(a.mtime_ns, 500000000);
    assert_int_equal(a.size, 4);
    /* metadata goes along */
    assert_int_equal(sync_rename(x->fs, "/set/file", "/set/moved", 0), GW_OK);
    assert_int_equal(sync_stat(x->fs, "/set/moved", true, &a), GW_OK);
    assert_int_equal(a.mtime_s, 1234567890);
    struct fs_attr cut = {.set = FS_ATTR_SIZE, .size = 2};
    assert_int_equal(sync_setstat(x->fs, "/set/moved", true, &cut), GW_UNSUPPORTED);
    cut.size = 4;
    assert_int_equal(sync_setstat(x->fs, "/set/moved", true, &cut), GW_OK);
    assert_int_equal(sync_setstat(x->fs, "/set", true, &want), GW_OK);
    assert_int_equal(sync_setstat(x->fs, "/set/none", true, &want), GW_NOT_FOUND);
    x->conf.setstat = S3_SETSTAT_STRICT;
    assert_int_equal(sync_setstat(x->fs, "/set/moved", true, &want), GW_UNSUPPORTED);
    x->conf.setstat = S3_SETSTAT_IGNORE;
}

static void test_no_bucket(void **state)
{
    struct s3_lab *x = live(state);
    char *was = x->conf.bucket;
    char absent[] = "there-is-no-such-bucket";
    x->conf.bucket = absent;
    struct gw_errmsg msg;
    struct backend *b;
    const struct backend_env env = {.loop = x->loop, .budget = x->budget};
    const struct opt_any any = {.kind = &s3_kind.opt, .conf = &x->conf};
    assert_int_equal(backend_new(&env, "absent", &any, &b, &msg), GW_OK);
    char text[FS_TEXT_MAX];
    assert_int_equal(sync_probe(b, text), GW_UPSTREAM);
    assert_non_null(strstr(text, "no such bucket"));
    const struct backend_view view = {.prefix = ""};
    struct fs *fs;
    assert_int_equal(backend_view_new(b, &view, &fs), GW_OK);
    char list[64];
    assert_int_equal(sync_list(fs, "/", 10, list, sizeof list),
                     GW_UPSTREAM); /* not "no such file" */
    fs_free(&fs);
    backend_unref(&b);
    x->conf.bucket = was;
}

static void test_wrong_secret(void **state)
{
    struct s3_lab *x = live(state);
    char *was = x->conf.credentials.secret_access_key;
    char wrong[] = "wrong";
    x->conf.credentials.secret_access_key = wrong;
    struct gw_errmsg msg;
    struct backend *b;
    const struct backend_env env = {.loop = x->loop, .budget = x->budget};
    const struct opt_any any = {.kind = &s3_kind.opt, .conf = &x->conf};
    assert_int_equal(backend_new(&env, "wrong", &any, &b, &msg), GW_OK);
    char text[FS_TEXT_MAX];
    assert_int_equal(sync_probe(b, text), GW_DENIED);
    assert_non_null(strstr(text, "secret"));
    const struct backend_view view = {.prefix = x->prefix};
    struct fs *fs;
    struct fs_attr a;
    assert_int_equal(backend_view_new(b, &view, &fs), GW_OK);
    assert_int_equal(sync_stat(fs, "/file", true, &a), GW_DENIED);
    fs_free(&fs);
    backend_unref(&b);
    x->conf.credentials.secret_access_key = was;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),           cmocka_unit_test(test_root_of_nothing),
        cmocka_unit_test(test_folders),         cmocka_unit_test(test_implicit_folder_stays),
        cmocka_unit_test(test_odd_names),       cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_hidden_names),    cmocka_unit_test(test_folder_wins),
        cmocka_unit_test(test_ten_thousand),    cmocka_unit_test(test_rename_file),
        cmocka_unit_test(test_rename_folder),   cmocka_unit_test(test_copy_in_parts),
        cmocka_unit_test(test_copy_data),       cmocka_unit_test(test_rename_resumed),
        cmocka_unit_test(test_rename_too_many), cmocka_unit_test(test_setstat),
        cmocka_unit_test(test_no_bucket),       cmocka_unit_test(test_wrong_secret),
    };
    return cmocka_run_group_tests(tests, setup, s3_lab_teardown);
}
