/*
 * Answers of verifiers in every dialect: any bytes give a verdict, and none but a well-formed
 * answer lets anybody in. The first byte picks the dialect and the method, the rest is the answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dialect.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    enum dialect_transport transport;
    const char *config;
    struct dialect_conf conf;
    struct dialect *d;
};

static struct target targets[] = {
    {.transport = DIALECT_HTTP, .config = "{\"dialect\":\"postern\",\"allow_stores\":true}"},
    {.transport = DIALECT_HTTP,
     .config = "{\"dialect\":\"sftpgo\",\"home_base\":\"/srv\",\"backend\":\"d\","
               "\"allow_stores\":true,\"keyboard_interactive_url\":\"http://x/\"}"},
    {.transport = DIALECT_HTTP,
     .config = "{\"dialect\":\"aws-transfer\",\"roles\":{\"r\":\"\"},\"buckets\":{\"b\":\"d\"}}"},
    {.transport = DIALECT_PROGRAM,
     .config = "{\"dialect\":\"rclone\",\"home_base\":\"/srv\",\"backend\":\"d\","
               "\"allow_stores\":true}"},
    {.transport = DIALECT_HTTP,
     .config =
         "{\"dialect\":\"template\",\"request\":{\"url\":"
         "\"http://x/?p=$${password}&k=$${public_key}&a=$${answer_1}$${answer_2}&s=$${state}\"},"
         "\"accept_when\":{\"pointer\":\"/ok\"},\"identity\":{\"mounts\":\"/mounts\"},"
         "\"ask_when\":{\"pointer\":\"/ask\"},\"ask\":{\"prompts\":\"/ask\",\"text\":\"/text\","
         "\"echo\":\"/echo\",\"instruction\":\"/say\",\"state\":\"/state\"}}"},
};
enum { NTARGETS = sizeof targets / sizeof targets[0] };

static const struct opt_spec options[] = {
    DIALECT_OPTIONS(struct target, conf),
    {.key = NULL},
};

static void open_targets(void)
{
    for (size_t i = 0; i < NTARGETS; i++) {
        struct opt_reader r = {.nproblems = 0};
        struct gw_errmsg msg;
        json_t *obj = json_loads(targets[i].config, 0, NULL);
        gw_buf_init(&r.problems, 4096);
        options_read(&r, options, obj, "", &targets[i]);
        struct dialect_args args = {.conf = &targets[i].conf,
                                    .transport = targets[i].transport,
                                    .has_target = true,
                                    .url = "http://127.0.0.1/"};
        if (r.nproblems > 0 || dialect_new(&args, &targets[i].d, &msg) != GW_OK)
            abort();
        gw_buf_free(&r.problems);
        json_decref(obj);
    }
}

static struct auth_req request(unsigned method)
{
    /* string "ssh-ed25519", string of 32 zero bytes */
    static const uint8_t blob[51] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
    return (struct auth_req){
        .method = (enum auth_method)(method % AUTH_METHOD_COUNT),
        .user = "alice",
        .password = "secret",
        .key = {.algorithm = "ssh-ed25519", .fingerprint = "SHA256:x", .blob = {blob, sizeof blob}},
        .kbdint = {.step = 1},
        .client_address = "192.0.2.1",
        .server_address = "192.0.2.2",
        .attempt = 1,
    };
}

static void check(const struct dialect_verdict *v)
{
    if ((v->verdict == AUTH_ACCEPT) != (v->id != NULL) || (v->more && v->id != NULL))
        abort();
    for (size_t i = 0; v->id != NULL && i < v->id->nmounts; i++) {
        const char *prefix = v->id->mounts[i].prefix;
        if (prefix[0] == '/' || strcmp(prefix, "..") == 0 || strncmp(prefix, "../", 3) == 0 ||
            strstr(prefix, "/../") != NULL)
            abort();
    }
    if (v->verdict == AUTH_FAULT && !v->more && v->why.text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_level_now = LOG_LVL_ERROR;
    if (targets[0].d == NULL)
        open_targets();
    if (size == 0)
        return 0;
    const struct dialect *d = targets[data[0] % NTARGETS].d;
    bool http = targets[data[0] % NTARGETS].transport == DIALECT_HTTP;
    struct auth_req req = request(data[0] / NTARGETS);
    struct dialect_ask ask = {.part = 0};
    struct dialect_got got = {http ? 200 : 0, gw_span_of(data + 1, size - 1)};
    struct dialect_verdict v;
    /* The same answer to every question of a check; no check has more than three. */
    for (int i = 0; dialect_ask(d, &req, &ask, &v); i++) {
        dialect_verdict_free(&v);
        dialect_answer(d, &req, &ask, &got, &v);
        check(&v);
        if (!v.more)
            break;
        if (i == 3)
            abort();
        dialect_verdict_free(&v);
    }
    dialect_verdict_free(&v);
    dialect_ask_free(&ask);
    return 0;
}
