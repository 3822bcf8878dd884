#include "tests/support/dialectkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "tests/support/authkit.h"

struct holder {
    struct dialect_conf conf;
};

static const struct opt_spec options[] = {
    DIALECT_OPTIONS(struct holder, conf),
    {.key = NULL},
};

struct bucket {
    char *bucket, *prefix;
};

static const struct opt_spec bucket_options[] = {
    {.key = "bucket", .type = OPT_STR, .offset = offsetof(struct bucket, bucket)},
    {.key = "prefix", .type = OPT_STR, .offset = offsetof(struct bucket, prefix)},
    {.key = NULL},
};

static char whole[] = "whole", part[] = "part", twice[] = "twice", none[] = "", some[] = "x";
static struct bucket buckets[] = {{whole, none}, {part, some}, {twice, NULL}, {twice, none}};
static char names[][3] = {"d", "p", "t1", "t2"};
static char *backend_names[] = {names[0], names[1], names[2], names[3]};
static const struct opt_kind s3 = {
    .name = "s3", .tab = bucket_options, .size = sizeof(struct bucket)};
static struct opt_any any[] = {
    {&s3, &buckets[0]}, {&s3, &buckets[1]}, {&s3, &buckets[2]}, {&s3, &buckets[3]}};
static const struct opt_map backends = {backend_names, any, 4};

void dialectkit_open(struct dialectkit *k, enum dialect_transport t, const char *config,
                     const char *users)
{
    struct opt_reader r = {.nproblems = 0};
    json_t *obj = json_loads(config, JSON_REJECT_DUPLICATES, NULL);
    *k = (struct dialectkit){.d = NULL};
    assert_non_null(obj);
    gw_buf_init(&r.problems, 65536);
    options_read(&r, options, obj, "", &k->conf);
    if (r.nproblems > 0)
        fail_msg("%s", gw_buf_cstr(&r.problems));
    gw_buf_free(&r.problems);
    json_decref(obj);
    k->users = users == NULL ? NULL : json_loads(users, 0, NULL);
    assert_true(users == NULL || k->users != NULL);
    struct dialect_args args = {
        .conf = &k->conf,
        .transport = t,
        .has_target = true,
        .url = t == DIALECT_HTTP ? "http://127.0.0.1/auth" : NULL,
        .users = k->users,
        .backends = &backends,
    };
    enum gw_err err = dialect_new(&args, &k->d, &k->problem);
    assert_int_equal(err == GW_OK, k->d != NULL);
}

void dialectkit_close(struct dialectkit *k)
{
    dialect_ask_free(&k->ask);
    dialect_free(&k->d);
    options_free(options, &k->conf);
    json_decref(k->users);
}

static struct auth_req request(enum auth_method method)
{
    return (struct auth_req){
        .method = method,
        .user = "alice",
        .client_address = "203.0.113.9",
        .client_port = 50122,
        .client_version = "SSH-2.0-OpenSSH_9.2",
        .server_address = "192.0.2.1",
        .server_port = 2022,
        .attempt = 1,
    };
}

struct auth_req dialectkit_password(const char *password)
{
    struct auth_req req = request(AUTH_PASSWORD);
    req.password = password;
    return req;
}

struct auth_req dialectkit_key(bool is_signed)
{
    static struct gw_buf blob;
    struct auth_req req = request(AUTH_PUBLICKEY);
    if (blob.data == NULL)
        blob = authkit_blob(AUTHKIT_ED25519);
    req.key.algorithm = "ssh-ed25519";
    req.key.fingerprint = "SHA256:x";
    req.key.blob = gw_buf_span(&blob);
    req.key.is_signed = is_signed;
    return req;
}

struct auth_req dialectkit_answers(unsigned step, const char *const *answers, size_t n,
                                   const char *state)
{
    struct auth_req req = request(AUTH_KEYBOARD_INTERACTIVE);
    req.kbdint.step = step;
    req.kbdint.answers = answers;
    req.kbdint.nanswers = n;
    req.kbdint.state = state;
    return req;
}

const struct dialect_ask *dialectkit_ask(struct dialectkit *k, const struct auth_req *req)
{
    struct dialect_verdict v;
    assert_non_null(k->d);
    if (!dialect_ask(k->d, req, &k->ask, &v))
        fail_msg("not asked: %s", v.why.text);
    dialect_verdict_free(&v);
    return &k->ask;
}

void dialectkit_unasked(struct dialectkit *k, const struct auth_req *req, enum auth_verdict verdict,
                        const char *why)
{
    struct dialect_ask ask = {.part = 0};
    struct dialect_verdict v;
    assert_false(dialect_ask(k->d, req, &ask, &v));
    assert_int_equal(v.verdict, verdict);
    if (why != NULL && strstr(v.why.text, why) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", why, v.why.text);
    dialect_verdict_free(&v);
    dialect_ask_free(&ask);
}

json_t *dialectkit_body(const struct dialect_ask *ask)
{
    json_t *o = json_loadb((const char *)ask->body.data, ask->body.len, 0, NULL);
    assert_non_null(o);
    return o;
}

/* "name", then `sign`, then the value. */
static const char *value_of(char *const *lines, size_t n, const char *name, const char *sign)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (strncmp(lines[i], name, len) == 0 && strncmp(lines[i] + len, sign, strlen(sign)) == 0)
            return lines[i] + len + strlen(sign);
    return NULL;
}

const char *dialectkit_header(const struct dialect_ask *ask, const char *name)
{
    return value_of(ask->headers, ask->nheaders, name, ": ");
}

const char *dialectkit_env(const struct dialect_ask *ask, const char *name)
{
    return value_of(ask->env, ask->nenv, name, "=");
}

struct dialect_verdict dialectkit_answer(struct dialectkit *k, const struct auth_req *req,
                                         unsigned status, const char *body)
{
    struct dialect_verdict v;
    /* In memory of exactly its size: a sanitizer sees a byte read too many. */
    char *copy = mem_alloc(strlen(body) + 1);
    memcpy(copy, body, strlen(body));
    struct dialect_got got = {status, gw_span_of(copy, strlen(body))};
    dialect_answer(k->d, req, &k->ask, &got, &v);
    mem_free(copy);
    return v;
}

void dialectkit_rows(struct dialectkit *k, const struct auth_req *req,
                     const struct dialectkit_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dialect_ask_free(&k->ask);
        dialectkit_ask(k, req);
        struct dialect_verdict v = dialectkit_answer(k, req, rows[i].status, rows[i].body);
        const char *want = rows[i].why == NULL ? "" : rows[i].why;
        if (v.verdict != rows[i].verdict || strstr(v.why.text, want) == NULL ||
            (rows[i].why == NULL && v.why.text[0] != '\0'))
            fail_msg("row %zu, %.200s: verdict %d, \"%s\"", i, rows[i].body, (int)v.verdict,
                     v.why.text);
        assert_int_equal(v.verdict == AUTH_ACCEPT && !v.more, v.id != NULL);
        dialect_verdict_free(&v);
    }
}
