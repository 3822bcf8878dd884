/* The configuration file: what it says becomes settings, and every mistake in it is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/settings.h"
#include "config/wiped_json.h"
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
    {.key = NULL},
};
struct bucket {
    char *bucket;
    struct {
        char *id, *secret;
    } credentials;
    struct opt_map tokens;
};
static const struct opt_spec credentials_table[] = {
    {.key = "id", .type = OPT_STR, .offset = 0, .flags = OPT_REQUIRED},
    {.key = "secret",
     .type = OPT_SECRET,
     .offset = sizeof(char *),
     .flags = OPT_REQUIRED,
     .help = "Of the id."},
    {.key = NULL},
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
    {.key = "tokens",
     .type = OPT_SECRETS,
     .offset = offsetof(struct bucket, tokens),
     .max = 2,
     .help = "Of somebody."},
    {.key = NULL},
};
static const struct opt_kind stores[] = {
    {"disk", "A folder.", disk_table, sizeof(struct disk)},
    {"bucket", "A bucket.", bucket_table, sizeof(struct bucket)},
};
struct list_of_users {
    char *path;
};
static const struct opt_spec users_table[] = {
    {.key = "path", .type = OPT_PATH, .offset = 0, .flags = OPT_REQUIRED, .help = "The file."},
    {.key = NULL},
};
static const struct opt_kind verifiers[] = {
    {"file", "A file.", users_table, sizeof(struct list_of_users)},
};
static const char *const stores_later[] = {"http", NULL};
static const struct opt_kinds kinds[OPT_SLOT_COUNT] = {
    [OPT_SLOT_BACKEND] = {stores, 2, stores_later},
    [OPT_SLOT_VERIFIER] = {verifiers, 1, NULL},
};

/* What is laid over a good file, and the only line that may come of it. */
static const struct {
    const char *more, *problem;
} bad[] = {
    /* keys */
    {"'lisssten': []", "lisssten: no such key; did you mean \"listen\"?\n"},
    {"'colour': 1", "colour: no such key; known here are: $schema, listen, tcp, timeouts, limits, "
                    "ssh, auth, backends, users, sftp, log, state_dir\n"},
    {"'tcp': {'nodelay': true}", "tcp.nodelay: no such key; did you mean \"no_delay\"?\n"},
    {"'tcp': {'no-delay': true}", "tcp.no-delay: no such key; did you mean \"no_delay\"?\n"},
    {"'tcp': {'a b\\n': 1}", "tcp[\"a b\\n\"]: no such key; known here are: no_delay, keepalive_s, "
                             "keepalive_interval_s, keepalive_count, receive_buffer_bytes, "
                             "send_buffer_bytes\n"},
    {"'admin': {}", "admin: is not in this version of postern yet\n"},
    {"'sftp': {'max_version': 6}", "sftp.max_version: is not in this version of postern yet\n"},
    {"'listen': [{'proxy_protocol': 'off'}]",
     "listen[0].proxy_protocol: is not in this version of postern yet\n"},
    /* numbers */
    {"'listen': [{'port': 70000}]",
     "listen[0].port: 70000 is out of range: 0 to 65535 is allowed\n"},
    {"'listen': [{}, {'port': -1}]", "listen[1].port: -1 is out of range: 0 to 65535 is allowed\n"},
    {"'listen': [{'port': 22.5}]", "listen[0].port: 22.5 is not a whole number\n"},
    {"'listen': [{'port': '22'}]", "listen[0].port: \"22\" is not a whole number\n"},
    {"'listen': [{'port': null}]", "listen[0].port: null is not a whole number\n"},
    {"'listen': [{'port': [1]}]", "listen[0].port: a list is not a whole number\n"},
    {"'listen': [{'port': '${T_WORD}'}]", "listen[0].port: \"${T_WORD}\" is not a whole number\n"},
    {"'listen': [{'port': '${T_NEGATIVE}'}]",
     "listen[0].port: \"${T_NEGATIVE}\" is not a whole number\n"},
    {"'limits': {'memory_mb': '${T_BIG}'}",
     "limits.memory_mb: \"${T_BIG}\" is out of range: 16 to 1048576 is allowed\n"},
    {"'ssh': {'host_keys': [{'file': 'k'}], 'rekey_bytes': 9223372036854775808}",
     "configuration:1:182: not valid JSON: too big integer\n"},
    /* words and strings */
    {"'tcp': {'no_delay': 'yes'}", "tcp.no_delay: \"yes\" is not true or false\n"},
    {"'tcp': {'no_delay': '${T_WORD}'}", "tcp.no_delay: \"${T_WORD}\" is not true or false\n"},
    {"'log': {'level': 'inof'}",
     "log.level: \"inof\" is not known; did you mean \"info\"? allowed are: error, warn, info, "
     "debug\n"},
    {"'log': {'level': 'warning'}",
     "log.level: \"warning\" is not known; did you mean \"warn\"? allowed are: error, warn, info, "
     "debug\n"},
    {"'log': {'level': 3}", "log.level: 3 is not a string\n"},
    {"'log': {'output': 'file'}", "log: \"output\" is \"file\", so \"path\" must name it\n"},
    {"'log': {'path': 'x'}", "log: \"path\" is for \"output\": \"file\" only\n"},
    {"'log': {'output': 'file', 'path': ''}", "log.path: is empty\n"},
    {"'listen': [{'address': '10.0.0'}]",
     "listen[0].address: \"10.0.0\" is neither an address nor a host name: \"::\" and "
     "\"0.0.0.0\" take every address of this machine, \"127.0.0.1\" and \"::1\" only itself\n"},
    {"'listen': [{'address': '127.0.0.1%lo'}]",
     "listen[0].address: \"127.0.0.1%lo\" is neither an address nor a host name: \"::\" and "
     "\"0.0.0.0\" take every address of this machine, \"127.0.0.1\" and \"::1\" only itself\n"},
    {"'listen': [{'allow': ['10.0.0.0/8', '10.0.0.0/33']}]",
     "listen[0].allow[1]: \"10.0.0.0/33\" is neither an address, nor a CIDR (\"192.0.2.0/24\"), "
     "nor a host name\n"},
    {"'listen': [{'deny': ['10.0.0']}]",
     "listen[0].deny[0]: \"10.0.0\" is neither an address, nor a CIDR (\"192.0.2.0/24\"), nor a "
     "host name\n"},
    {"'listen': [{'deny': [7]}]", "listen[0].deny[0]: 7 is not a string\n"},
    {"'listen': [{'deny': ['']}]", "listen[0].deny[0]: is empty\n"},
    {"'listen': [{'deny': '::1'}]", "listen[0].deny: \"::1\" is not a list of strings\n"},
    /* lists, objects, maps */
    {"'listen': []", "listen: has 0 elements: 1 to 64 are allowed\n"},
    {"'listen': {}", "listen: is not a list of objects\n"},
    {"'listen': [2022]", "listen[0]: is not an object\n"},
    {"'tcp': true", "tcp: is not an object\n"},
    {"'users': []", "users: a list is not an object\n"},
    {"'users': {'mounts': [{'prefix': '${USRE}'}]}",
     "users.mounts[0].prefix: names the environment variable USRE, which is not set; "
     "${USRE:-default} gives it a default\n"},
    {"'users': {'a':[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
     "users.a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 16 levels\n"},
    {"'auth': {'verifiers': []}", "auth.verifiers: has 0 elements: 1 to 32 are allowed\n"},
    {"'auth': {'verifiers': [{'type': 'file', 'path': 'u'}], 'keyboard_interactive': "
     "{'prompts': [{'text': 'Code: '}]}}",
     "auth: has prompts in \"keyboard_interactive\" that nobody is asked: put "
     "\"keyboard-interactive\" into \"methods\"\n"},
    {"'auth': {'verifiers': [{'type': 'file', 'path': 'u'}], 'methods': ['keyboard-interactive'], "
     "'keyboard_interactive': {'prompts': [{'echo': true}]}}",
     "auth.keyboard_interactive.prompts[0].text: is missing and has no default. What the person is "
     "asked, with the blank behind it: \"Code: \".\n"},
    {"'auth': {'verifiers': [{'type': 'file', 'path': 'u'}], 'methods': []}",
     "auth.methods: has 0 elements: 1 to 8 are allowed\n"},
    {"'auth': {'verifiers': [{'path': 'u'}]}",
     "auth.verifiers[0].type: is missing; allowed are: file\n"},
    {"'auth': {'verifiers': [{'type': 'file'}]}",
     "auth.verifiers[0].path: is missing and has no default. The file.\n"},
    {"'auth': {'verifiers': ['file']}", "auth.verifiers[0]: is not an object with a \"type\"\n"},
    {"'backends': {}", "backends: has 0 elements: 1 to 1000 are allowed\n"},
    {"'backends': {'d': {'type': 'dis', 'root': '/'}}",
     "backends.d.type: \"dis\" is not known; did you mean \"disk\"? allowed are: disk, bucket\n"},
    {"'backends': {'d': {'type': 1, 'root': '/'}}",
     "backends.d.type: 1 is not a string; allowed are: disk, bucket\n"},
    {"'backends': {'d': {'type': 'http'}}",
     "backends.d.type: \"http\" is not in this version of postern yet\n"},
    {"'backends': {'a/b': {'type': 'disk', 'root': '/'}}",
     "backends[\"a/b\"]: is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\" are allowed, "
     "no \".\" first\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'ab'}}",
     "backends.b.bucket: is 2 bytes long: 3 to 63 are allowed\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x'}}}",
     "backends.b.credentials.secret: is missing and has no default. Of the id.\n"},
    /* secrets: never shown */
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': "
     "123456}}}",
     "backends.b.credentials.secret: is a number: a string, {\"env\": \"NAME\"} or {\"file\": "
     "\"path\"} is allowed\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': "
     "{'env': 'T_UNSET'}}}}",
     "backends.b.credentials.secret.env: the environment variable \"T_UNSET\" is not set\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': "
     "{'file': '/nonexistent'}}}}",
     "backends.b.credentials.secret.file: cannot read /nonexistent: No such file or directory\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': "
     "{'file': '/dev/zero'}}}}",
     "backends.b.credentials.secret.file: cannot read /dev/zero: larger than 65536 bytes\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': "
     "{'env': 'A', 'file': 'b'}}}}",
     "backends.b.credentials.secret: must be a string, {\"env\": \"NAME\"} or {\"file\": "
     "\"path\"}\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'tokens': {'a b': 'hush'}}}",
     "backends.b.tokens[\"a b\"]: is no name: 1 to 64 letters, digits, \"_\", \"-\" and \".\" are "
     "allowed, no \".\" first\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'tokens': {'A': ['hush']}}}",
     "backends.b.tokens.A: is a list: a string, {\"env\": \"NAME\"} or {\"file\": \"path\"} is "
     "allowed\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'tokens': ['hush']}}",
     "backends.b.tokens: is not an object of named strings\n"},
    {"'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'tokens': {'A': '1', 'B': '2', 'C': "
     "'3'}}}",
     "backends.b.tokens: has 3 elements: 0 to 2 are allowed\n"},
    /* ssh */
    {"'ssh': {'host_keys': [{}]}",
     "ssh.host_keys[0]: has none of \"file\", \"pem\" and \"env\": one is needed\n"},
    {"'ssh': {'host_keys': [{'file': 'a', 'env': 'B'}]}",
     "ssh.host_keys[0]: has more than one of \"file\", \"pem\" and \"env\": one is needed\n"},
    {"'ssh': {'host_keys': [{'file': 'k'}], 'version': 'a-b'}",
     "ssh.version: \"a-b\" cannot be sent: up to 200 printable ASCII characters, no \"-\" before "
     "the first space; \"SSH-2.0-\" is put before it\n"},
    {"'ssh': {'host_keys': [{'file': 'k'}], 'kex': ['a,b']}",
     "ssh.kex[0]: \"a,b\" is not the name of one algorithm\n"},
    {"'ssh': {'host_keys': [{'file': 'k'}], 'kex': []}",
     "ssh.kex: has 0 elements: 1 to 64 are allowed\n"},
    /* JSON itself; the doubled key is shown, a value never */
    {"'tcp': {}, 'tcp': {}",
     "configuration:1:165: not valid JSON: duplicate object key near '\"tcp\"'\n"},
    {"'tcp': {},",
     "configuration:1:160: not valid JSON: string or '}' expected: a comma too many before it\n"},
    {"'listen': [{'port': 1},]",
     "configuration:1:173: not valid JSON: unexpected token: a comma too many before it\n"},
    {"'tcp': {},, 'log': {}",
     "configuration:1:160: not valid JSON: string or '}' expected: a comma too many\n"},
    {"'tcp': {} 'log': {}",
     "configuration:1:164: not valid JSON: '}' expected: a comma missing before it\n"},
    {"'state_dir' 'x'", "configuration:1:164: not valid JSON: ':' expected\n"},
    {"'tcp': {} // none",
     "configuration:1:160: not valid JSON: '}' expected: JSON has no comments\n"},
    {"'state_dir': 'secret\\q'", "configuration:1:171: not valid JSON: invalid escape\n"},
    {"'state_dir': 'a\\u0000b'", "configuration:1:172: not valid JSON: a NUL character\n"},
};

/* A good file with `more` over it; quotes are apostrophes here, for the reader's eyes. */
static char *file_with(const char *more)
{
    static const struct {
        const char *key, *text;
    } needed[] = {
        {"'ssh'", "'ssh': {'host_keys': [{'file': 'k'}]}"},
        {"'auth'", "'auth': {'verifiers': [{'type': 'file', 'path': 'u'}]}"},
        {"'backends'", "'backends': {'d': {'type': 'disk', 'root': '/srv'}}"},
    };
    struct gw_buf b;
    gw_buf_init(&b, 65536);
    gw_buf_put_text(&b, "{");
    for (size_t i = 0; i < 3; i++)
        if (strstr(more, needed[i].key) == NULL)
            gw_buf_printf(&b, "%s, ", needed[i].text);
    gw_buf_printf(&b, "%s}", more);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\'')
            b.data[i] = '"';
    char *text = mem_strdup(gw_buf_cstr(&b));
    gw_buf_free(&b);
    return text;
}

static struct settings *load_good(const char *more)
{
    struct settings *s = NULL;
    struct gw_buf problems;
    char *text = file_with(more);
    gw_buf_init(&problems, 65536);
    if (settings_load(NULL, text, kinds, &s, &problems) != GW_OK)
        fail_msg("%s\n%s", text, gw_buf_cstr(&problems));
    assert_int_equal(problems.len, 0);
    gw_buf_free(&problems);
    mem_free(text);
    return s;
}

static void test_bad(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        char *text = file_with(bad[i].more);
        gw_buf_init(&problems, 65536);
        enum gw_err err = settings_load(NULL, text, kinds, &s, &problems);
        if (err != GW_CONFIG || s != NULL || strcmp(gw_buf_cstr(&problems), bad[i].problem) != 0) {
            print_error("%s\n  gave %s\n  not  %s", text, gw_buf_cstr(&problems), bad[i].problem);
            failed++;
        }
        gw_buf_free(&problems);
        mem_free(text);
    }
    assert_int_equal(failed, 0);
}

/* Texts that are no configuration at all. */
static void test_no_object(void **state)
{
    static const char *const texts[] = {"", "[]", "1", "{", "\"x\"", "null", "{} {}", "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        gw_buf_init(&problems, 65536);
        assert_int_equal(settings_load(NULL, texts[i], kinds, &s, &problems), GW_CONFIG);
        assert_null(s);
        assert_true(problems.len > 0);
        gw_buf_free(&problems);
    }
}

static void test_no_json(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", "configuration:1:0: not valid JSON: unexpected token: it is empty\n"},
        {" \n", "configuration:2:0: not valid JSON: unexpected token: it is empty\n"},
        {"\xef\xbb\xbf{}",
         "configuration:1:1: not valid JSON: invalid token: it begins with a byte "
         "order mark: save it without one\n"},
        {"{'tcp': {}}",
         "configuration:1:2: not valid JSON: string or '}' expected: strings stand in "
         "double quotes\n"},
        {"{,}", "configuration:1:2: not valid JSON: string or '}' expected: a comma too many\n"},
        {"tcp", "configuration:1:3: not valid JSON: invalid token\n"},
        {"{", "configuration:1:1: not valid JSON: string or '}' expected\n"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        gw_buf_init(&problems, 65536);
        assert_int_equal(settings_load(NULL, texts[i][0], kinds, &s, &problems), GW_CONFIG);
        assert_string_equal(gw_buf_cstr(&problems), texts[i][1]);
        gw_buf_free(&problems);
    }
}

static void test_all_at_once(void **state)
{
    (void)state;
    struct settings *s = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, 65536);
    assert_int_equal(
        settings_load(NULL, "{\"tcp\": {\"no_delay\": 1}, \"sssh\": {}}", kinds, &s, &problems),
        GW_CONFIG);
    assert_string_equal(
        gw_buf_cstr(&problems),
        "sssh: no such key; did you mean \"ssh\"?\n"
        "tcp.no_delay: 1 is not true or false\n"
        "ssh.host_keys: is missing and has no default. The server's own keys, one of each type. "
        "`postern keygen FILE` makes one.\n"
        "auth.verifiers: is missing and has no default. Who decides about a login. Asked in turn, "
        "until one knows the user.\n"
        "backends: is missing and has no default. The stores, by a name of your choice. Mounts "
        "name them.\n");
    gw_buf_free(&problems);
    /* What fits, in whole lines; the rest is only counted. */
    gw_buf_init(&problems, 60);
    assert_int_equal(settings_read(NULL, "{\"sssh\": {}}", kinds, &s, &problems), GW_CONFIG);
    assert_non_null(s);
    assert_int_equal(problems.len, strlen("sssh: no such key; did you mean \"ssh\"?\n"));
    settings_unref(&s);
    gw_buf_free(&problems);
}

static void test_file(void **state)
{
    (void)state;
    struct settings *s = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, 65536);
    assert_int_equal(settings_load("/nonexistent", NULL, kinds, &s, &problems), GW_IO);
    assert_string_equal(gw_buf_cstr(&problems),
                        "/nonexistent: cannot be read: No such file or directory\n");
    gw_buf_reset(&problems);
    assert_int_equal(settings_load("/dev/zero", NULL, kinds, &s, &problems), GW_IO);
    assert_string_equal(gw_buf_cstr(&problems),
                        "/dev/zero: cannot be read: larger than 4194304 bytes\n");
    gw_buf_reset(&problems);
    assert_int_equal(settings_load("/", NULL, kinds, &s, &problems), GW_IO);
    gw_buf_free(&problems);
}

static void test_deep(void **state)
{
    (void)state;
    struct settings *s = NULL;
    struct gw_buf problems;
    struct gw_buf text;
    gw_buf_init(&text, 65536);
    gw_buf_put_text(&text, "{\"users\": ");
    for (int i = 0; i < 1000; i++)
        gw_buf_put_text(&text, "[");
    for (int i = 0; i < 1000; i++)
        gw_buf_put_text(&text, "]");
    gw_buf_put_text(&text, "}");
    gw_buf_init(&problems, 65536);
    assert_int_equal(settings_load(NULL, gw_buf_cstr(&text), kinds, &s, &problems), GW_CONFIG);
    assert_string_equal(gw_buf_cstr(&problems), "configuration: nested deeper than 32 levels\n");
    gw_buf_free(&problems);
    gw_buf_free(&text);
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings *s = load_good("'$schema': 'x'");
    const struct settings_listen *l = s->listen.v;
    assert_int_equal(s->listen.n, 1);
    assert_string_equal(l->address, "::");
    assert_int_equal(l->port, 2022);
    assert_int_equal(l->ipv6, SETTINGS_IPV6_DUAL);
    assert_true(l->exclusive && s->tcp.no_delay && s->log.mask_secrets);
    assert_int_equal(s->timeouts.idle_s, 900);
    assert_int_equal(s->limits.memory_mb, 512);
    assert_int_equal(s->ssh.rekey_bytes, 1 << 30);
    assert_int_equal(s->ssh.ciphers.n, 0); /* the safe ones: algorithms.c knows them */
    assert_int_equal(s->auth.methods.n, 2);
    assert_string_equal(s->auth.methods.v[1], "password");
    assert_int_equal(s->log.level, LOG_LVL_INFO);
    assert_null(s->users);
    assert_null(s->state_dir);
    struct settings *again = settings_ref(s);
    settings_unref(&s);
    assert_null(s);
    assert_string_equal(((const struct settings_host_key *)again->ssh.host_keys.v)->file, "k");
    settings_unref(&again);
}

static const struct bucket *bucket_of(const struct settings *s)
{
    return ((const struct opt_any *)s->backends.v)->conf;
}

static void test_values(void **state)
{
    (void)state;
    struct settings *s = load_good(
        "'listen': [{'port': '${T_PORT}', 'address': '${T_UNSET:-0.0.0.0}', 'ipv6': 'off'},"
        "           {'address': 'localhost'}, {'address': 'fe80::1%eth0', 'allow': ['10.0.0.0/8', "
        "'::1', 'a.example']}],"
        "'tcp': {'no_delay': '${T_FALSE}'}, 'ssh': {'host_keys': [{'pem': 'a\\nb',"
        "'passphrase': {'env': 'T_WORD'}}], 'banner': '$${T_PORT} ${user} $ 5$'},"
        "'users': {'mounts': [{'path': '/', 'prefix': '${T_WORD}/${user}/'}]}, 'state_dir': 's'");
    const struct settings_listen *l = s->listen.v;
    const struct settings_host_key *k = s->ssh.host_keys.v;
    assert_int_equal(s->listen.n, 3);
    assert_int_equal(l[0].port, 2222);
    assert_string_equal(l[0].address, "0.0.0.0");
    assert_int_equal(l[0].ipv6, SETTINGS_IPV6_OFF);
    assert_int_equal(l[2].allow.n, 3);
    assert_string_equal(l[2].allow.v[2], "a.example");
    assert_false(s->tcp.no_delay);
    assert_string_equal(k->pem, "a\nb");
    assert_string_equal(k->passphrase, "word");
    assert_string_equal(s->ssh.banner, "${T_PORT} ${user} $ 5$");
    const json_t *mount = json_array_get(json_object_get(s->users, "mounts"), 0);
    assert_string_equal(json_string_value(json_object_get(mount, "prefix")), "word/${user}/");
    settings_unref(&s);
}

static void test_secret_file(void **state)
{
    (void)state;
    static const struct {
        const char *content, *secret;
    } rows[] = {{"s3cret", "s3cret"},
                {"s3cret\n", "s3cret"},
                {"s3cret\r\n", "s3cret"},
                {"two\n\n", "two\n"},
                {"${T_PORT}", "${T_PORT}"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[] = "/tmp/test_settings.XXXXXX";
        char more[512];
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, rows[i].content, strlen(rows[i].content)),
                         strlen(rows[i].content));
        close(fd);
        snprintf(more, sizeof more,
                 "'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x',"
                 " 'secret': {'file': '%s'}}}}",
                 path);
        struct settings *s = load_good(more);
        assert_string_equal(bucket_of(s)->credentials.secret, rows[i].secret);
        settings_unref(&s);
        unlink(path);
    }
}

static void test_named_secrets(void **state)
{
    (void)state;
    struct settings *s =
        load_good("'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'tokens': "
                  "{'LDAP_URL': 'ldap://x', 'B': {'env': 'T_WORD'}}}}");
    const struct opt_map *tokens = &bucket_of(s)->tokens;
    assert_int_equal(tokens->n, 2);
    assert_string_equal(tokens->names[0], "LDAP_URL");
    assert_string_equal(((char **)tokens->v)[0], "ldap://x");
    assert_string_equal(((char **)tokens->v)[1], getenv("T_WORD"));
    settings_unref(&s);
}

static void test_print(void **state)
{
    (void)state;
    struct settings *s = load_good(
        "'backends': {'b': {'type': 'bucket', 'bucket': 'abc', 'credentials': {'id': 'x',"
        " 'secret': 'hush'}, 'tokens': {'A': 'hush'}}}, 'ssh': {'host_keys': [{'pem': 'hush',"
        " 'passphrase': 'hush'}]},"
        " 'users': {'mounts': [{'path': '/', 'store': {'type': 'x', 'n': 1, 'keys': ['hush']}}],"
        " 'credentials': {'access_key_id': 'x', 'secret_access_key': 'hush', 'session_token':"
        " 'hush'}}");
    json_t *shown = options_print(settings_table, s);
    assert_non_null(shown);
    char *text = json_dumps(shown, JSON_COMPACT);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\"backends\":{\"b\":{\"type\":\"bucket\",\"bucket\":\"abc\","
                                 "\"credentials\":{\"id\":\"x\",\"secret\":\"********\"},"
                                 "\"tokens\":{\"A\":\"********\"}}}"));
    assert_non_null(strstr(text, "\"store\":{\"type\":\"x\",\"n\":1,\"keys\":[\"********\"]}"));
    assert_non_null(strstr(text, "\"credentials\":{\"access_key_id\":\"x\",\"secret_access_key\":"
                                 "\"********\""));
    assert_null(strstr(text, "admin"));
    /* What is printed can be read again. */
    struct settings *again = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, 65536);
    assert_int_equal(settings_load(NULL, text, kinds, &again, &problems), GW_OK);
    gw_buf_free(&problems);
    settings_unref(&again);
    json_decref(shown);
    wiped_json_free_text(&text);
    settings_unref(&s);
}

/* Every key of a table has a member of the schema, a description, and a default that it allows. */
static void compare(const json_t *schema, const struct opt_spec *tab)
{
    const json_t *properties = json_object_get(schema, "properties");
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        const json_t *one = json_object_get(properties, row->key);
        assert_int_equal(one == NULL, (row->flags & OPT_LATER) != 0);
        if (one == NULL)
            continue;
        assert_true(json_is_string(json_object_get(one, "description")));
        assert_int_equal(row->dflt == NULL, json_object_get(one, "default") == NULL);
        if (row->type == OPT_OBJECT)
            compare(one, row->sub);
        if (row->type == OPT_LIST)
            compare(json_object_get(one, "items"), row->sub);
    }
}

static void test_schema(void **state)
{
    (void)state;
    json_t *schema = options_schema(settings_table, kinds);
    assert_non_null(schema);
    compare(schema, settings_table);
    const json_t *needed = json_object_get(schema, "required");
    assert_int_equal(json_array_size(needed), 3);
    json_decref(schema);
}

static void test_markdown(void **state)
{
    (void)state;
    struct gw_buf b;
    gw_buf_init(&b, 1 << 20);
    options_markdown(settings_table, kinds, &b);
    assert_int_equal(b.failed, GW_OK);
    const char *text = gw_buf_cstr(&b);
    assert_non_null(strstr(text, "\n## `ssh.host_keys[]`\n"));
    assert_non_null(strstr(text, "\n## `backends.NAME`, type `bucket`\n"));
    assert_non_null(strstr(text, "| `port` | number, 0 to 65535 | `2022` | "));
    assert_non_null(strstr(text, "| `tokens` | named secrets |  | Of somebody. |"));
    assert_non_null(strstr(text, "| `secret` | secret | **required** | Of the id. |"));
    gw_buf_free(&b);
}

/* Each allocation that may fail fails once: an error, nothing lost, and the next try works. */
static void test_no_memory(void **state)
{
    (void)state;
    char *text = file_with("'listen': [{'allow': ['::1', '10.0.0.0/8']}], 'users': {'home': '/a'},"
                           "'backends': {'d': {'type': 'disk', 'root': '/srv'}, 'b': {'type':"
                           "'bucket', 'bucket': 'abc', 'credentials': {'id': 'x', 'secret': {'env':"
                           "'T_WORD'}}, 'tokens': {'A': 'one', 'B': {'env': 'T_WORD'}}}}");
    unsigned failures = 0;
    for (unsigned n = 1; n < 1000; n++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        gw_buf_init(&problems, 65536);
        mem_fail_after(n);
        enum gw_err err = settings_load(NULL, text, kinds, &s, &problems);
        mem_fail_after(0);
        /* jansson takes what it cannot store for a mistake of the file. */
        bool parsing = strstr(gw_buf_cstr(&problems), "not valid JSON") != NULL;
        if (err != GW_OK && err != GW_NO_MEMORY && !(err == GW_CONFIG && parsing))
            fail_msg("allocation %u: %s: %s", n, gw_err_name(err), gw_buf_cstr(&problems));
        assert_int_equal(err == GW_OK, s != NULL);
        settings_unref(&s);
        gw_buf_free(&problems);
        if (err == GW_OK)
            break;
        failures++;
    }
    assert_true(failures > 100);
    mem_free(text);
}

/* A good file with every byte spoilt in turn, cut off, doubled: refused with words or read, never
 * worse. The same each time. */
static void test_mutations(void **state)
{
    (void)state;
    static const char with[] = "\"{}[],:0-\\$";
    char *good = file_with("'listen': [{'port': '${T_PORT}', 'allow': ['::1']}], 'log': {'level': "
                           "'warn'}, 'users': {'mounts': [{'path': '/', 'prefix': '${user}'}]}");
    size_t n = strlen(good);
    size_t read = 0;
    for (size_t i = 0; i < n * (sizeof with + 1); i++) {
        struct settings *s = NULL;
        struct gw_buf problems;
        char *text = mem_strdup(good);
        size_t at = i % n;
        size_t how = i / n;
        if (how < sizeof with - 1)
            text[at] = with[how];
        else if (how == sizeof with - 1)
            text[at] = '\0';
        else
            memmove(text + at, text + at + 1, n - at);
        gw_buf_init(&problems, 4096);
        enum gw_err err = settings_load(NULL, text, kinds, &s, &problems);
        assert_int_equal(err == GW_OK, s != NULL);
        assert_int_equal(err == GW_OK, problems.len == 0);
        read += err == GW_OK;
        settings_unref(&s);
        gw_buf_free(&problems);
        mem_free(text);
    }
    assert_true(read > 0); /* some spoil only the inside of a string */
    mem_free(good);
}

static int set_up(void **state)
{
    (void)state;
    wiped_json_init(); /* jansson's allocations fail on command as well */
    setenv("T_PORT", "2222", 1);
    setenv("T_WORD", "word", 1);
    setenv("T_FALSE", "false", 1);
    setenv("T_NEGATIVE", "-5", 1);
    setenv("T_BIG", "9999999", 1);
    unsetenv("T_UNSET");
    unsetenv("USRE");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_no_object),
        cmocka_unit_test(test_no_json),     cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_file),        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_secret_file), cmocka_unit_test(test_named_secrets),
        cmocka_unit_test(test_print),       cmocka_unit_test(test_schema),
        cmocka_unit_test(test_markdown),    cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
