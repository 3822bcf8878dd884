#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "auth/auth.h"
#include "auth/passwd.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"
#include "tests/support/sync.h"

static const char USERS[] =
    "{\"users\":["
    "{\"user\":\"alice\",\"password\":\"" AUTHKIT_YESCRYPT "\",\"public_keys\":[\"" AUTHKIT_ED25519
    " me\"]},"
    "{\"user\":\"keys\",\"public_keys\":[\"" AUTHKIT_ED25519 "\"]},"
    "{\"user\":\"steps\",\"password\":\"" AUTHKIT_SHA256 "\",\"public_keys\":[\"" AUTHKIT_ED25519
    "\"],\"methods\":[\"publickey,password\"]},"
    "{\"user\":\"either\",\"password\":\"" AUTHKIT_SHA256 "\",\"public_keys\":[\"" AUTHKIT_ED25519
    "\"],\"methods\":[\"publickey\",\"password,publickey\"]},"
    "{\"user\":\"old\",\"password\":\"" AUTHKIT_SHA256 "\",\"expires\":\"2001-01-01T00:00:00Z\"},"
    "{\"user\":\"new\",\"password\":\"" AUTHKIT_SHA256 "\",\"expires\":\"9000-01-01T00:00:00Z\"},"
    "{\"user\":\"here\",\"password\":\"" AUTHKIT_SHA256 "\",\"allow\":[\"192.0.2.0/24\"]},"
    "{\"user\":\"locked\",\"password\":\"!" AUTHKIT_SHA256 "\"}]}";

static struct loop *loop;
static struct settings *settings;
static struct auth *auth;
static char *path;

static void start(const char *text, const char *methods)
{
    struct gw_errmsg msg = {""};
    path = authkit_file(text);
    char *conf = mem_printf("{\"methods\":%s,\"verifiers\":[{\"type\":\"file\",\"path\":\"%s\"}]}",
                            methods, path);
    settings = authkit_settings(conf, "{\"home\":\"/h/${user}\"}");
    mem_free(conf);
    assert_int_equal(loop_new(&loop), GW_OK);
    if (auth_new(loop, settings, &auth, &msg) != GW_OK)
        fail_msg("%s", msg.text);
}

static int setup(void **state)
{
    (void)state;
    start(USERS, "[\"publickey\",\"password\"]");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    auth_free(&auth);
    loop_free(&loop);
    settings_unref(&settings);
    authkit_remove(&path);
    return 0;
}

struct
try {
    const char *user, *password, *key, *done, *address;
    bool query;
};

static struct op *begin(const struct try *t, struct authkit_answer *a)
{
    struct gw_buf blob = {.data = NULL};
    struct auth_req req = {
        .method = t->password != NULL ? AUTH_PASSWORD : AUTH_PUBLICKEY,
        .user = t->user,
        .password = t->password,
        .methods_done = &t->done,
        .nmethods_done = t->done != NULL,
        .client_address = t->address == NULL ? "192.0.2.7" : t->address,
        .attempt = 1,
    };
    if (t->key != NULL) {
        blob = authkit_blob(t->key);
        req.key.algorithm = "ssh-ed25519";
        req.key.blob = gw_buf_span(&blob);
        req.key.fingerprint = "SHA256:x";
        req.key.is_signed = !t->query;
    }
    *a = (struct authkit_answer){.calls = 0};
    struct op *op = auth_check(auth, &req, authkit_done, a);
    gw_buf_free(&blob); /* what the start borrowed may go now */
    return op;
}

static enum auth_verdict verdict(const struct try *t, struct authkit_answer *a)
{
    a->op = begin(t, a);
    assert_int_equal(a->calls, 0);
    authkit_wait(loop, a);
    assert_int_equal(a->calls, 1);
    return a->verdict;
}

#define S AUTHKIT_ED25519

static void test_logins(void **state)
{
    (void)state;
    static const struct {
        struct try t;
        enum auth_verdict want;
        const char *next; /* of next_methods; NULL = the login is complete */
        const char *why;
    } rows[] = {
        {{"alice", .password = "secret"}, AUTH_ACCEPT, NULL, ""},
        {{"alice", .password = "Secret"}, AUTH_REJECT, NULL, "wrong password"},
        {{"alice", .password = ""}, AUTH_REJECT, NULL, "wrong password"},
        {{"alice", .key = S}, AUTH_ACCEPT, NULL, ""},
        {{"alice", .key = S, .query = true}, AUTH_ACCEPT, NULL, ""},
        {{"alice", .key = AUTHKIT_ED25519_OTHER}, AUTH_REJECT, NULL, "not a key of the user"},
        {{"alice", .key = AUTHKIT_ECDSA, .query = true},
         AUTH_REJECT,
         NULL,
         "not a key of the user"},
        {{"Alice", .password = "secret"}, AUTH_REJECT, NULL, "unknown user"},
        {{"nobody", .password = "secret"}, AUTH_REJECT, NULL, "unknown user"},
        {{"nobody", .key = S}, AUTH_REJECT, NULL, "unknown user"},
        {{"", .password = "secret"}, AUTH_REJECT, NULL, "no name of a user"},
        {{"keys", .password = "secret"}, AUTH_REJECT, NULL, "the user has no password"},
        {{"keys", .key = S}, AUTH_ACCEPT, NULL, ""},
        {{"locked", .password = "secret"}, AUTH_REJECT, NULL, "the user has no password"},
        /* Key, then password: the key alone opens nothing, the password alone not even that. */
        {{"steps", .key = S}, AUTH_ACCEPT, "password", ""},
        {{"steps", .password = "secret", .done = "publickey"}, AUTH_ACCEPT, NULL, ""},
        {{"steps", .password = "wrong", .done = "publickey"}, AUTH_REJECT, NULL, "wrong password"},
        {{"steps", .password = "secret"},
         AUTH_REJECT,
         NULL,
         "not a method of the user at this step"},
        {{"steps", .key = S, .done = "publickey"},
         AUTH_REJECT,
         NULL,
         "not a method of the user at this step"},
        {{"steps", .password = "secret", .done = "password"},
         AUTH_REJECT,
         NULL,
         "not a method of the user at this step"},
        {{"either", .key = S}, AUTH_ACCEPT, NULL, ""},
        {{"either", .password = "secret"}, AUTH_ACCEPT, "publickey", ""},
        {{"either", .key = S, .done = "password"}, AUTH_ACCEPT, NULL, ""},
        {{"old", .password = "secret"}, AUTH_REJECT, NULL, "the user has expired"},
        {{"old", .password = "wrong"}, AUTH_REJECT, NULL, "wrong password"},
        {{"new", .password = "secret"}, AUTH_ACCEPT, NULL, ""},
        {{"here", .password = "secret"}, AUTH_ACCEPT, NULL, ""},
        {{"here", .password = "secret", .address = "::ffff:192.0.2.7"}, AUTH_ACCEPT, NULL, ""},
        {{"here", .password = "secret", .address = "198.51.100.7"},
         AUTH_REJECT,
         NULL,
         "the user may not come from this address"},
        {{"here", .password = "secret", .address = "nonsense"},
         AUTH_REJECT,
         NULL,
         "the user may not come from this address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct authkit_answer a;
        uint64_t before = passwd_count();
        if (verdict(&rows[i].t, &a) != rows[i].want || strcmp(a.why, rows[i].why) != 0)
            fail_msg("row %zu (%s): %d %s", i, rows[i].t.user, (int)a.verdict, a.why);
        /* The time that an answer takes tells nothing: every password costs one hash, whoever it
         * is for. */
        if (rows[i].t.password != NULL && rows[i].t.user[0] != '\0')
            assert_int_equal(passwd_count() - before, 1);
        else
            assert_int_equal(passwd_count() - before, 0);
        if (a.verdict == AUTH_ACCEPT) {
            assert_string_equal(a.verifier, "file[0]");
            assert_string_equal(a.id->user, rows[i].t.user);
            assert_int_equal(strncmp(a.id->home, "/h/", 3), 0);
            assert_int_equal(a.id->nnext_methods, rows[i].next != NULL);
            if (rows[i].next != NULL)
                assert_string_equal(a.id->next_methods[0], rows[i].next);
        } else {
            assert_null(a.id);
        }
        identity_free(&a.id);
    }
}

static void test_methods_that_are_off(void **state)
{
    (void)state;
    struct authkit_answer a;
    start(USERS, "[\"publickey\"]");
    assert_int_equal(verdict(&(struct try){"alice", .password = "secret"}, &a), AUTH_REJECT);
    assert_string_equal(a.why, "the method is not in auth.methods");
    assert_int_equal(verdict(&(struct try){"alice", .key = S}, &a), AUTH_ACCEPT);
    identity_free(&a.id);
}

static void test_edits(void **state)
{
    (void)state;
    static const struct try wrong = {"alice", .password = "Secret"};
    static const struct try right = {"alice", .password = "secret"};
    static const struct try added = {"bob", .key = S};
    struct authkit_answer a;
    assert_int_equal(verdict(&right, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    assert_int_equal(verdict(&added, &a), AUTH_REJECT);

    authkit_write(path, "{\"users\":[{\"user\":\"bob\",\"public_keys\":[\"" S "\"]}]}");
    assert_int_equal(verdict(&right, &a), AUTH_REJECT);
    assert_string_equal(a.why, "unknown user");
    assert_int_equal(verdict(&added, &a), AUTH_ACCEPT);
    identity_free(&a.id);

    /* A broken edit, and then no file at all: the last good one holds. */
    authkit_write(path, "{\"users\":[{\"user\":\"bob\"");
    assert_int_equal(verdict(&added, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    a = (struct authkit_answer){.op = auth_probe(auth, 0, authkit_done, &a)};
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_FAULT);
    assert_non_null(strstr(a.why, "line 1"));
    assert_int_equal(remove(path), 0);
    assert_int_equal(verdict(&added, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    assert_int_equal(verdict(&wrong, &a), AUTH_REJECT);

    authkit_write(path, USERS);
    assert_int_equal(verdict(&right, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    a = (struct authkit_answer){.op = auth_probe(auth, 0, authkit_done, &a)};
    authkit_wait(loop, &a);
    assert_int_equal(a.verdict, AUTH_ACCEPT);
    assert_int_equal(a.calls, 1);
}

/* What one loop has seen is what all loops keep: who has logged in once is not unknown a moment
 * later on the loop next door, because an edit broke the file in between. */
static void test_loops_share(void **state)
{
    (void)state;
    struct authkit_answer a;
    struct gw_errmsg msg;
    struct loop *first = loop;
    struct auth *one = auth;
    struct loop *second = NULL;
    struct auth *two = NULL;
    assert_int_equal(loop_new(&second), GW_OK);
    assert_int_equal(auth_new(second, settings, &two, &msg), GW_OK);
    authkit_write(path, "{\"users\":[{\"user\":\"bob\",\"public_keys\":[\"" S "\"]}]}");
    assert_int_equal(verdict(&(struct try){"bob", .key = S}, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    authkit_write(path, "{\"users\":[");
    loop = second;
    auth = two;
    assert_int_equal(verdict(&(struct try){"bob", .key = S}, &a), AUTH_ACCEPT);
    identity_free(&a.id);
    auth_free(&auth);
    loop_free(&loop);
    loop = first;
    auth = one;
    assert_int_equal(verdict(&(struct try){"bob", .key = S}, &a), AUTH_ACCEPT);
    identity_free(&a.id);
}

enum { THREADS = 3, LOGINS = 40 };

struct worker {
    pthread_t thread;
    struct loop *loop;
    struct auth *auth;
    unsigned accepted;
};

static void *log_in(void *arg)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < LOGINS; i++) {
        struct authkit_answer a = {.calls = 0};
        struct auth_req req = {.method = AUTH_PASSWORD,
                               .user = i % 4 == 3 ? "nobody" : "alice",
                               .password = "secret",
                               .client_address = "192.0.2.7"};
        a.op = auth_check(w->auth, &req, authkit_done, &a);
        authkit_wait(w->loop, &a);
        w->accepted += a.verdict == AUTH_ACCEPT;
        identity_free(&a.id);
    }
    return NULL;
}

/* Loops on threads of their own share the file while somebody edits it, well and badly. */
static void test_threads(void **state)
{
    (void)state;
    struct worker w[THREADS];
    struct gw_errmsg msg;
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.accepted = 0};
        assert_int_equal(loop_new(&w[i].loop), GW_OK);
        assert_int_equal(auth_new(w[i].loop, settings, &w[i].auth, &msg), GW_OK);
        assert_int_equal(pthread_create(&w[i].thread, NULL, log_in, &w[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        authkit_write(path, i % 2 == 0 ? "{\"users\":[" : USERS);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].accepted, LOGINS - LOGINS / 4);
        auth_free(&w[i].auth);
        loop_free(&w[i].loop);
    }
}

/* In place, same size, same second: the stamp may be the same, what counts is what is in it. */
static void test_quick_edit(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"users\":[{\"user\":\"aa\",\"public_keys\":[\"" S "\"]}]}",
        "{\"users\":[{\"user\":\"bb\",\"public_keys\":[\"" S "\"]}]}",
    };
    for (size_t i = 0; i < 20; i++) {
        struct authkit_answer a;
        FILE *f = fopen(path, "w");
        assert_true(f != NULL && fputs(texts[i % 2], f) >= 0 && fclose(f) == 0);
        assert_int_equal(verdict(&(struct try){i % 2 == 0 ? "aa" : "bb", .key = S}, &a),
                         AUTH_ACCEPT);
        identity_free(&a.id);
        assert_int_equal(verdict(&(struct try){i % 2 == 0 ? "bb" : "aa", .key = S}, &a),
                         AUTH_REJECT);
    }
}

static void test_broken_at_the_start(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{\"users\":[{\"user\":\"a\",\"home\":\"x\"}]}", "users[0].home"},
        {"nonsense", "line 1"},
        {NULL, "No such file"},
    };
    auth_free(&auth); /* or the new one would share what it has read */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_errmsg msg = {""};
        authkit_write(path, USERS);
        if (rows[i].text != NULL)
            authkit_write(path, rows[i].text);
        else
            assert_int_equal(remove(path), 0);
        struct auth *other = NULL;
        assert_int_equal(auth_new(loop, settings, &other, &msg), GW_CONFIG);
        assert_null(other);
        assert_int_equal(strncmp(msg.text, "auth.verifiers[0].path: ", 24), 0);
        if (strstr(msg.text, rows[i].why) == NULL)
            fail_msg("%s", msg.text);
    }
}

/* Many at once: one look at the file serves all that wait, and each gets its own answer. */
static void test_many(void **state)
{
    (void)state;
    struct authkit_answer a[40];
    static const struct try tries[] = {
        {"alice", .password = "secret"}, {"nobody", .password = "x"}, {"keys", .key = S}};
    for (size_t i = 0; i < 40; i++)
        a[i].op = begin(&tries[i % 3], &a[i]);
    for (size_t i = 0; i < 40; i++) {
        authkit_wait(loop, &a[i]);
        assert_int_equal(a[i].verdict, i % 3 == 1 ? AUTH_REJECT : AUTH_ACCEPT);
        identity_free(&a[i].id);
    }
}

/* Each step of each kind of check is cancelled once: nothing is called, nothing leaks, and what is
 * under way beside it goes on. */
static void test_cancel(void **state)
{
    (void)state;
    static const struct try tries[] = {
        {"alice", .password = "secret"},
        {"nobody", .password = "x"},
        {"alice", .key = S},
        {"steps", .password = "secret", .done = "publickey"},
    };
    for (size_t t = 0; t < sizeof tries / sizeof tries[0]; t++)
        for (unsigned turns = 0; turns < 12; turns++) {
            struct authkit_answer gone;
            struct authkit_answer stays;
            gone.op = begin(&tries[t], &gone);
            stays.op = begin(&tries[2], &stays);
            for (unsigned i = 0; i < turns; i++)
                loop_poll(loop);
            unsigned calls = gone.calls;
            op_cancel(&gone.op);
            authkit_wait(loop, &stays);
            assert_int_equal(stays.verdict, AUTH_ACCEPT);
            assert_int_equal(gone.calls, calls);
            if (calls > 0)
                identity_free(&gone.id);
            identity_free(&stays.id);
        }
}

/* The whole chain goes while a load and a hash run: they end alone. */
static void test_free_with_orphans(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 10; turns++) {
        struct authkit_answer a;
        struct gw_errmsg msg;
        a.op = begin(&(struct try){"alice", .password = "secret"}, &a);
        for (unsigned i = 0; i < turns; i++)
            loop_poll(loop);
        unsigned calls = a.calls;
        op_cancel(&a.op);
        auth_free(&auth);
        loop_poll(loop);
        assert_int_equal(a.calls, calls);
        if (calls > 0)
            identity_free(&a.id);
        assert_int_equal(auth_new(loop, settings, &auth, &msg), GW_OK);
    }
}

int main(void)
{
    log_level_now = (enum log_level) - 1; /* broken files are on purpose */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_logins, setup, teardown),
        cmocka_unit_test_teardown(test_methods_that_are_off, teardown),
        cmocka_unit_test_setup_teardown(test_edits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loops_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quick_edit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_with_orphans, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
