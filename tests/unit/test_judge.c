#include "auth/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    P = 1u << AUTH_PASSWORD,
    K = 1u << AUTH_PUBLICKEY,
    I = 1u << AUTH_KEYBOARD_INTERACTIVE,
    ALL = P | K | I,
};

static struct identity *identity(const char *text)
{
    struct identity *id = NULL;
    struct gw_errmsg msg = {""};
    json_t *over = json_loads(text, 0, NULL);
    if (identity_from_json("u", NULL, over, 0, &id, &msg) != GW_OK)
        fail_msg("%s: %s", text, msg.text);
    json_decref(over);
    return id;
}

/* The ways in of a user, and what the verifier itself asks for beside them. */
static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *identity;
        enum auth_method method;
        const char *done[3];
        unsigned offered;
        enum auth_verdict want;
        const char *next; /* of an ACCEPT, each with a blank behind it; else why not */
    } rows[] = {
        {"{}", AUTH_PUBLICKEY, {NULL}, ALL, AUTH_ACCEPT, ""},
        {"{'next_methods':['password']}", AUTH_PUBLICKEY, {NULL}, ALL, AUTH_ACCEPT, "password "},
        {"{'methods':['publickey']}", AUTH_PUBLICKEY, {NULL}, ALL, AUTH_ACCEPT, ""},
        {"{'methods':['publickey'],'next_methods':['password']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_ACCEPT,
         "password "},
        {"{'methods':['publickey,password','publickey,keyboard-interactive']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_ACCEPT,
         "password keyboard-interactive "},
        {"{'methods':['publickey,password','publickey,keyboard-interactive']}",
         AUTH_PUBLICKEY,
         {NULL},
         K | P,
         AUTH_ACCEPT,
         "password "},
        {"{'methods':['publickey,password','publickey,keyboard-interactive'],"
         "'next_methods':['password']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_ACCEPT,
         "password "},
        {"{'methods':['password,publickey','publickey']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_ACCEPT,
         ""},
        {"{'methods':['publickey,publickey']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_ACCEPT,
         "publickey "},
        {"{'methods':['publickey,publickey']}",
         AUTH_PUBLICKEY,
         {"publickey"},
         ALL,
         AUTH_ACCEPT,
         ""},
        {"{'methods':['publickey,publickey,password']}",
         AUTH_PUBLICKEY,
         {"publickey"},
         ALL,
         AUTH_ACCEPT,
         "password "},
        {"{'methods':['password,keyboard-interactive,publickey']}",
         AUTH_PUBLICKEY,
         {"password", "keyboard-interactive"},
         ALL,
         AUTH_ACCEPT,
         ""},
        /* What is no step of a way in. */
        {"{'methods':['password']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_REJECT,
         "not a method of the user at this step"},
        {"{'methods':['publickey,password']}",
         AUTH_KEYBOARD_INTERACTIVE,
         {"publickey"},
         ALL,
         AUTH_REJECT,
         "not a method of the user at this step"},
        {"{'methods':['publickey,password']}",
         AUTH_PASSWORD,
         {NULL},
         ALL,
         AUTH_REJECT,
         "not a method of the user at this step"},
        {"{'methods':['publickey,password']}",
         AUTH_PASSWORD,
         {"publickey", "password"},
         ALL,
         AUTH_REJECT,
         "not a method of the user at this step"},
        /* What leads nowhere. */
        {"{'methods':['publickey,password'],'next_methods':['keyboard-interactive']}",
         AUTH_PUBLICKEY,
         {NULL},
         ALL,
         AUTH_FAULT,
         "next_methods and methods contradict each other"},
        {"{'next_methods':['keyboard-interactive']}",
         AUTH_PUBLICKEY,
         {NULL},
         K | P,
         AUTH_FAULT,
         "no method that may follow is in auth.methods"},
        {"{'methods':['publickey,keyboard-interactive']}",
         AUTH_PUBLICKEY,
         {NULL},
         K | P,
         AUTH_FAULT,
         "no method that may follow is in auth.methods"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256], next[128] = "";
        const char *why = NULL;
        struct auth_req req = {.method = rows[i].method, .methods_done = rows[i].done};
        while (rows[i].done[req.nmethods_done] != NULL)
            req.nmethods_done++;
        snprintf(text, sizeof text, "%s", rows[i].identity);
        for (char *c = strchr(text, '\''); c != NULL; c = strchr(c, '\''))
            *c = '"';
        struct identity *id = identity(text);
        enum auth_verdict got = judge_accept(id, &req, rows[i].offered, &why);
        for (size_t k = 0; got == AUTH_ACCEPT && k < id->nnext_methods; k++)
            snprintf(next + strlen(next), sizeof next - strlen(next), "%s ", id->next_methods[k]);
        if (got != rows[i].want || strcmp(got == AUTH_ACCEPT ? next : why, rows[i].next) != 0)
            fail_msg("row %zu: %d, %s", i, (int)got, got == AUTH_ACCEPT ? next : why);
        identity_free(&id);
    }
}

/* What a client whose key is right is told to go on with. */
static void test_step(void **state)
{
    (void)state;
    static const char *const done[] = {"publickey", "publickey", "publickey"};
    struct identity *id = identity("{\"methods\":[\"password,publickey\",\"publickey,password\","
                                   "\"publickey,publickey,keyboard-interactive\"]}");
    static const unsigned want[] = {P | K, P | K, I, 0};
    for (size_t n = 0; n < 4; n++) {
        struct auth_req req = {.methods_done = done, .nmethods_done = n};
        assert_int_equal(judge_step(id, &req), want[n]);
    }
    identity_free(&id);
}

static void test_ways(void **state)
{
    (void)state;
    struct gw_errmsg msg;
    struct identity *id = identity("{\"methods\":[\"publickey\",\"publickey,password\"]}");
    assert_int_equal(judge_ways(id, K | P, &msg), GW_OK);
    assert_int_equal(judge_ways(id, K, &msg), GW_CONFIG);
    assert_string_equal(msg.text,
                        "methods[1]: password is not in auth.methods, so nobody can do it");
    identity_free(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
