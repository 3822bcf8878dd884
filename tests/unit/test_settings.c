/* The configuration file: what it says becomes settings, and every mistake in it is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/settings.h"
#include "gateway/base/mem.h"

/* Kinds of this test's own: the real ones belong to other rows of the house. */
struct disk {
    char *root;
    uint32_t umask;
};
static const struct opt_spec disk_table[] = {
    {.key = "root",
     .type = OPT_PATH,
     .offset = offsetof(struct disk, root),
     .flags = OPT_REQUIRED,
     .help = "The folder."},
    {.key = "umask",
     .type = OPT_U32,
     .offset = offsetof(struct disk, umask),
     .dflt = "18",
     .max = 511},
    {NULL},
};
struct bucket {
    char *bucket;
    struct {
        char *id, *secret;
    } credentials;
};
static const struct opt_spec credentials_table[] = {
    {.key = "id", .type = OPT_STR, .offset = 0, .flags = OPT_REQUIRED},
    {.key = "secret", .type = OPT_SECRET, .offset = sizeof(char *), .flags = OPT_REQUIRED},
    {NULL},
};
static const struct opt_spec bucket_table[] = {
    {.key = "bucket",
     .type = OPT_STR,
     .offset = offsetof(struct bucket, bucket),
     .flags = OPT_REQUIRED,
     .min = 3,
     .max = 63},
    {.key = "credentials",
     .type = OPT_OBJECT,
     .offset = offsetof(struct bucket, credentials),
     .sub = credentials_table},
    {NULL},
};
static const struct opt_kind stores[] = {
    {"disk", "A folder.", disk_table, sizeof(struct disk)},
    {"bucket", "A bucket.", bucket_table, sizeof(struct bucket)},
};
struct list_of_users {
    char *path;
};
static const struct opt_spec users_table[] = {
    {.key = "path", .type = OPT_PATH, .offset = 0, .flags = OPT_REQUIRED},
    {NULL},
};
static const struct opt_kind verifiers[] = {
    {"file", "A file.", users_table, sizeof(struct list_of_users)},
};
static const char *const stores_later[] = {"http", NULL};
static const struct opt_kinds kinds[OPT_SLOT_COUNT] = {
    [OPT_SLOT_BACKEND] = {stores, 2, stores_later},
    [OPT_SLOT_VERIFIER] = {verifiers, 1, NULL},
};

#define KEYS       "\"ssh\": {\"host_keys\": [{\"file\": \"k\"}]}"
#define AUTH       "\"auth\": {\"verifiers\": [{\"type\": \"file\", \"path\": \"u\"}]}"
#define STORE      "\"backends\": {\"d\": {\"type\": \"disk\", \"root\": \"/srv\"}}"
#define WITH(more) "{" KEYS ", " AUTH ", " STORE ", " more "}"

static enum gw_err load(const char *text, struct settings **out, struct gw_buf *problems)
{
    gw_buf_init(problems, 65536);
    return settings_load(NULL, text, kinds, out, problems);
}

static struct settings *good(const char *text)
{
    struct settings *s = NULL;
    struct gw_buf problems;
    enum gw_err err = load(text, &s, &problems);
    if (err != GW_OK)
        fail_msg("%s\n%s", text, gw_buf_cstr(&problems));
    gw_buf_free(&problems);
    return s;
}

/* Each text must be refused with exactly these lines. */
static const struct {
    const char *text, *problems;
} bad[] = {
    {"{}", "ssh.host_keys: is missing and has no default. The server's own keys, one of each type. "
           "`postern keygen FILE` makes one.\n"
           "auth.verifiers: is missing and has no default. Who decides about a login. Asked in "
           "turn, until one knows the user.\n"
           "backends: is missing and has no default. The stores, by a name of your choice. Mounts "
           "name them.\n"},
    {"", "configuration:1:0: not valid JSON: unexpected token\n"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        assert_int_equal(load(bad[i].text, &s, &problems), GW_CONFIG);
        assert_null(s);
        assert_string_equal(gw_buf_cstr(&problems), bad[i].problems);
        gw_buf_free(&problems);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings *s = good("{" KEYS ", " AUTH ", " STORE "}");
    assert_int_equal(s->listen.n, 1);
    const struct settings_listen *l = s->listen.v;
    assert_string_equal(l->address, "::");
    assert_int_equal(l->port, 2022);
    assert_int_equal(s->ssh.rekey_bytes, 1 << 30);
    assert_int_equal(s->log.level, LOG_LVL_INFO);
    assert_int_equal(s->auth.methods.n, 2);
    json_t *shown = options_print(settings_table, s);
    assert_non_null(shown);
    json_decref(shown);
    settings_unref(&s);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
