/* Password, key and signature state come out of a message by functions that libssh deprecates in
 * favour of callbacks; in callback mode an answer cannot wait for a verifier. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/ssh/conn_impl.h"
#include "gateway/vfs/vfs.h"

#define PASSWORD_MAX 1024u
#define ANSWER_MAX   1024u
/* Key queries in one login, refused or not. */
#define QUERIES_MAX 64u
static const struct {
    enum auth_method method;
    int bit;
} methods[] = {
    {AUTH_PASSWORD, SSH_AUTH_METHOD_PASSWORD},
    {AUTH_PUBLICKEY, SSH_AUTH_METHOD_PUBLICKEY},
    {AUTH_KEYBOARD_INTERACTIVE, SSH_AUTH_METHOD_INTERACTIVE},
};

static unsigned method_bit(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(auth_method_names[methods[i].method], name) == 0)
            return (unsigned)methods[i].bit;
    return 0;
}

/* What is on offer from now on, and what refusals tell the client to go on with. */
static void offer(struct conn *c, unsigned bits)
{
    c->login->allowed = bits;
    ssh_set_auth_methods(c->ssh, (int)bits);
}

static void offer_all(struct conn *c)
{
    const struct opt_strs *names = &c->settings->auth.methods;
    unsigned bits = 0;
    for (size_t i = 0; i < names->n; i++)
        bits |= method_bit(names->v[i]);
    offer(c, bits);
}

void conn_auth_start(struct conn *c)
{
    c->login = mem_zalloc(sizeof *c->login);
    offer_all(c);
    /* libssh sends no refusal at all when its list is empty. */
    if (c->login->allowed == 0)
        conn_end(c, "no method of login is configured", true);
}

static void forget_question(struct conn *c)
{
    struct conn_login *in = c->login;
    in->asked = in->step = 0;
    auth_forget(c->env->auth, in->ask_state);
    mem_free_secret_str(&in->ask_state);
}

void conn_auth_free(struct conn *c)
{
    struct conn_login *in = c->login;
    if (in == NULL)
        return;
    op_cancel(&in->op);
    op_cancel(&in->swallow);
    ssh_message_free(in->held);
    ssh_message_free(in->kept);
    forget_question(c);
    mem_free(in->fingerprint);
    for (size_t i = 0; i < in->nkeys; i++)
        mem_free(in->keys[i]);
    mem_free(in);
    c->login = NULL;
}

/* An answered request: one is kept, preferably without a password in it. */
static void release(struct conn_login *in, ssh_message m)
{
    bool secret = ssh_message_subtype(m) == SSH_AUTH_METHOD_PASSWORD;
    if (in->kept == NULL ||
        (!secret && ssh_message_subtype(in->kept) == SSH_AUTH_METHOD_PASSWORD)) {
        ssh_message_free(in->kept);
        in->kept = m;
        return;
    }
    ssh_message_free(m);
}

static void send_refusal(struct conn *c)
{
    struct conn_login *in = c->login;
    ssh_message m = in->held;
    in->held = NULL;
    (void)ssh_message_reply_default(m);
    release(in, m);
}

/* Was that failure the last one that a connection may have? */
static bool is_last(const struct conn *c)
{
    return c->login->attempts >= c->settings->auth.max_attempts;
}

static void end_login(struct conn *c)
{
    conn_end(c, "too many failed logins", true);
}

static void on_delayed(void *arg)
{
    struct conn *c = arg;
    c->login->op = NULL;
    if (is_last(c)) {
        end_login(c);
        return;
    }
    send_refusal(c);
    conn_set_state(c, CONN_LOGIN);
    conn_pump_soon(c);
}

/* A guess that was wrong. A verifier's fault is none, nor is a key that is only asked about. */
static void count_guess(struct conn *c)
{
    static const char *const whom[] = {[THROTTLE_USER] = "user", [THROTTLE_SOURCE] = "source"};
    enum throttle_ban ban = throttle_failed(c->env->throttle, c->peer, c->user, c->log_user.value,
                                            loop_now_ms(c->env->loop));
    c->login->throttled = true;
    if (ban == THROTTLE_FREE)
        return;
    LOG_EVENT(LOG_LVL_WARN, &c->log, "ban", log_str("whom", whom[ban]),
              log_u64("seconds", c->settings->auth.throttle.ban_s));
    if (ban == THROTTLE_SOURCE)
        conn_end(c, "banned", true);
}

/* One more failure. False: there is nothing more to say to the client. */
static bool count_attempt(struct conn *c)
{
    c->login->attempts++;
    /* Without a guess among them: but six queries are not nothing. */
    if (is_last(c) && !c->login->throttled)
        count_guess(c);
    return c->end_why == NULL;
}

static bool too_many(struct conn *c)
{
    if (count_attempt(c) && is_last(c))
        end_login(c);
    return c->end_why != NULL;
}

static void log_failure(struct conn *c, const char *method, const char *why, const char *verifier)
{
    LOG_EVENT(LOG_LVL_INFO, &c->log, "login_failed", log_str("method", method),
              log_str("reason", why), log_str("verifier", verifier),
              log_u64("attempt", c->login->attempts + 1));
}

/* Counts, logs and refuses `held`, or ends the login: at once, or failure_delay_ms after it came.
 * The delay makes guessing slow, and hides how long the verifiers took to say no. */
static void refuse(struct conn *c, const char *method, const char *why, const char *verifier,
                   bool delay)
{
    uint64_t ms = c->settings->auth.failure_delay_ms;
    uint64_t took = loop_now_ms(c->env->loop) - c->login->held_ms;
    ms = ms > took ? ms - took : 0;
    log_failure(c, method, why, verifier);
    if (c->end_why != NULL || !count_attempt(c))
        return;
    if (delay && ms > 0) {
        conn_set_state(c, CONN_DELAYING);
        c->login->op = deadline_start(c->env->loop, ms, on_delayed, c);
    } else if (is_last(c)) {
        end_login(c);
    } else {
        send_refusal(c);
        if (c->state != CONN_LOGIN)
            conn_set_state(c, CONN_LOGIN);
    }
}

/* The client is in: what it may touch is made before it is told so. */
static void let_in(struct conn *c, struct auth_res *res)
{
    struct conn_login *in = c->login;
    c->id = res->id;
    res->id = NULL;
    if (conn_channel_prepare(c) != GW_OK) {
        identity_free(&c->id);
        refuse(c, auth_method_names[in->method], "the user's folders cannot be set up",
               res->verifier, true);
        return;
    }
    if (c->env->authenticated != NULL && !c->env->authenticated(c->tag, c->id)) {
        conn_end(c, "too many sessions of this user", true);
        return;
    }
    if (c->id->banner != NULL) {
        ssh_string text = ssh_string_from_char(c->id->banner);
        if (text != NULL)
            (void)ssh_send_issue_banner(c->ssh, text);
        ssh_string_free(text);
    }
    (void)ssh_message_auth_reply_success(in->held, 0);
    LOG_EVENT(LOG_LVL_INFO, &c->log, "login", log_str("method", auth_method_names[in->method]),
              log_str("verifier", res->verifier), log_bool("cached", res->cached),
              log_u64("failed", in->attempts), log_str("client", c->client_version),
              log_str("kex", ssh_get_kex_algo(c->ssh)),
              log_str("cipher", ssh_get_cipher_in(c->ssh)),
              log_str("mac", ssh_get_hmac_in(c->ssh)));
    throttle_succeeded(c->env->throttle, c->peer, c->user, loop_now_ms(c->env->loop));
    conn_set_state(c, CONN_OPEN);
    c->active_ms = c->keepalive_ms = loop_now_ms(c->env->loop);
    c->seen_packets = c->raw.in_packets;
    conn_auth_free(c);
    conn_channel_start(c);
    conn_set_clock(c);
    conn_pump_soon(c);
}

/* One of several steps: SSH's partial success. */
static void next_step(struct conn *c, const struct identity *id)
{
    struct conn_login *in = c->login;
    unsigned rest = 0;
    for (size_t i = 0; i < id->nnext_methods; i++)
        rest |= method_bit(id->next_methods[i]);
    if (rest == 0 || in->ndone == CONN_STEPS_MAX) {
        refuse(c, auth_method_names[in->method], "no way to go on is left", NULL, true);
        return;
    }
    in->done[in->ndone++] = auth_method_names[in->method];
    if (in->method == AUTH_PUBLICKEY) {
        in->keys[in->nkeys++] = in->fingerprint;
        in->fingerprint = NULL;
    }
    LOG_EVENT(LOG_LVL_INFO, &c->log, "login_step",
              log_str("method", auth_method_names[in->method]));
    offer(c, rest);
    ssh_message m = in->held;
    in->held = NULL;
    (void)ssh_message_auth_set_methods(m, (int)rest);
    (void)ssh_message_auth_reply_success(m, 1);
    release(in, m);
    conn_set_state(c, CONN_LOGIN);
}

static void ask(struct conn *c, const struct auth_res *res)
{
    struct conn_login *in = c->login;
    const char *prompts[AUTH_PROMPTS_MAX];
    char echo[AUTH_PROMPTS_MAX];
    for (size_t i = 0; i < res->nprompts; i++) {
        prompts[i] = res->prompts[i].text;
        echo[i] = res->prompts[i].echo ? 1 : 0;
    }
    mem_free_secret_str(&in->ask_state);
    in->ask_state = mem_strdup(res->state);
    in->asked = (unsigned)res->nprompts + 1;
    ssh_message m = in->held;
    in->held = NULL;
    (void)ssh_message_auth_interactive_request(m, "",
                                               res->instruction != NULL ? res->instruction : "",
                                               (unsigned)res->nprompts, prompts, echo);
    release(in, m);
    conn_set_state(c, CONN_LOGIN);
}

/* OpenSSH gives up a method whose keys were all refused: told at once that it is not their turn, it
 * comes back to them. */
static void offer_instead(struct conn *c, unsigned mask)
{
    unsigned bits = 0;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (mask & 1u << methods[i].method)
            bits |= (unsigned)methods[i].bit;
    if (bits != 0)
        offer(c, bits);
}

/* People type their password where the name goes: a name that nobody knows may be one. */
static void mask_user(struct conn *c)
{
    if (c->settings->log.mask_secrets)
        c->log_user.value = "********";
}

static void on_verified(void *arg, struct auth_res *res)
{
    struct conn *c = arg;
    struct conn_login *in = c->login;
    const char *method = auth_method_names[in->method];
    in->op = NULL;
    if (res->verdict == AUTH_ASK) {
        ask(c, res);
    } else {
        forget_question(c);
        if (res->verdict == AUTH_ACCEPT && in->query) {
            (void)ssh_message_auth_reply_pk_ok_simple(in->held);
            release(in, in->held);
            in->held = NULL;
            conn_set_state(c, CONN_LOGIN);
        } else if (res->verdict == AUTH_ACCEPT && res->id == NULL) {
            refuse(c, method, "the verifier gave no identity", res->verifier, true);
        } else if (res->verdict == AUTH_ACCEPT && res->id->nnext_methods > 0) {
            next_step(c, res->id);
        } else if (res->verdict == AUTH_ACCEPT) {
            let_in(c, res);
        } else {
            if (res->verdict == AUTH_REJECT && res->verifier == NULL) /* unknown */
                mask_user(c);
            offer_instead(c, res->methods);
            if (res->verdict == AUTH_REJECT && !in->query)
                count_guess(c);
            /* A query guesses no secret: an agent with five keys need not wait five seconds. */
            refuse(c, method, res->why, res->verifier, !in->query);
        }
    }
    identity_free(&res->id);
    conn_pump_soon(c);
}

static void verify(struct conn *c, struct auth_req *req)
{
    struct conn_login *in = c->login;
    in->method = req->method;
    in->query = req->method == AUTH_PUBLICKEY && !req->key.is_signed;
    req->user = c->user;
    req->methods_done = in->done;
    req->nmethods_done = in->ndone;
    req->keys_done = (const char *const *)in->keys;
    req->nkeys_done = in->nkeys;
    req->client_address = c->peer;
    req->client_port = c->peer_port;
    req->client_version = c->client_version;
    req->server_address = c->own;
    req->server_port = c->own_port;
    req->attempt = in->attempts + 1;
    req->log = &c->log;
    conn_set_state(c, CONN_VERIFYING);
    in->op = auth_check(c->env->auth, req, on_verified, c);
}

static void password(struct conn *c)
{
    const char *secret = ssh_message_auth_password(c->login->held);
    if (secret == NULL || strlen(secret) > PASSWORD_MAX) {
        refuse(c, "password", "no password, or one that is too long", NULL, true);
        return;
    }
    struct auth_req req = {.method = AUTH_PASSWORD, .password = secret};
    verify(c, &req);
}

/* A query guesses nothing and an agent may hold many keys, but each costs the verifier a look. */
static bool too_many_queries(struct conn *c)
{
    if (++c->login->queries <= QUERIES_MAX)
        return false;
    conn_end(c, "too many key queries", true);
    return true;
}

static void publickey(struct conn *c)
{
    struct conn_login *in = c->login;
    struct conn_key key;
    const char *fault = conn_key_read(c, in->held, &key);
    if (key.is_query && too_many_queries(c)) {
        conn_key_free(&key);
        return;
    }
    if (fault != NULL) {
        refuse(c, "publickey", fault, NULL, !key.is_query);
    } else {
        struct auth_req req = {.method = AUTH_PUBLICKEY};
        req.key.algorithm = key.name;
        req.key.blob = gw_buf_span(&key.blob);
        req.key.fingerprint = key.fingerprint;
        req.key.is_signed = !key.is_query;
        mem_free(in->fingerprint);
        in->fingerprint = mem_strdup(key.fingerprint);
        verify(c, &req);
    }
    conn_key_free(&key);
}

static void keyboard(struct conn *c)
{
    struct conn_login *in = c->login;
    struct auth_req req = {.method = AUTH_KEYBOARD_INTERACTIVE};
    const char *answers[AUTH_PROMPTS_MAX];
    const char *fault = NULL;
    if (ssh_message_auth_kbdint_is_response(in->held)) {
        int n = ssh_userauth_kbdint_getnanswers(c->ssh);
        /* libssh takes a response to nothing as well. */
        if (in->asked == 0 || n != (int)in->asked - 1)
            fault = "answers that were not asked for";
        for (int i = 0; fault == NULL && i < n; i++) {
            answers[i] = ssh_userauth_kbdint_getanswer(c->ssh, (unsigned)i);
            if (answers[i] == NULL || strlen(answers[i]) > ANSWER_MAX)
                fault = "an answer that is missing or too long";
        }
        req.kbdint.answers = answers;
        req.kbdint.nanswers = n > 0 ? (size_t)n : 0;
        req.kbdint.state = in->ask_state;
    } else {
        forget_question(c);
    }
    in->asked = 0;
    req.kbdint.step = ++in->step;
    if (fault != NULL) {
        forget_question(c);
        refuse(c, auth_method_names[AUTH_KEYBOARD_INTERACTIVE], fault, NULL, true);
        return;
    }
    verify(c, &req);
}

static bool is_response(ssh_message m)
{
    return ssh_message_subtype(m) == SSH_AUTH_METHOD_INTERACTIVE &&
           ssh_message_auth_kbdint_is_response(m);
}

/* Another request in place of the answers: the question has cost a verifier's time and is not to be
 * had again and again. False: it was one too many. */
static bool drop_question(struct conn *c)
{
    struct conn_login *in = c->login;
    if (in->asked == 0 || is_response(in->held))
        return true;
    forget_question(c);
    log_failure(c, auth_method_names[AUTH_KEYBOARD_INTERACTIVE], "the question was not answered",
                NULL);
    return !too_many(c);
}

/* Whose login it is. A step that succeeded counts for its user only. */
static bool take_user(struct conn *c)
{
    const char *user = ssh_message_auth_user(c->login->held);
    if (is_response(c->login->held))
        return c->user != NULL; /* a response names nobody */
    if (user == NULL || strlen(user) > CONN_USER_MAX)
        return false;
    if (c->user != NULL && strcmp(c->user, user) == 0)
        return true;
    if (c->login->ndone > 0) {
        conn_end(c, "the user changed between the steps of a login", true);
        return false;
    }
    offer_all(c);
    mem_free(c->user);
    c->user = mem_strdup(user);
    c->log_user.value = c->user;
    return true;
}

/* False: refused unheard. */
static bool is_heard(struct conn *c)
{
    switch (throttle_look(c->env->throttle, c->peer, c->user, loop_now_ms(c->env->loop))) {
    case THROTTLE_SOURCE: /* since it connected */
        conn_end(c, "banned", true);
        return false;
    case THROTTLE_USER:
        mask_user(c); /* nobody has looked whether it is one */
        forget_question(c);
        c->login->throttled = true;
        refuse(c, "other", "banned", NULL, true);
        return false;
    default:
        return true;
    }
}

static void auth_request(struct conn *c, ssh_message m)
{
    struct conn_login *in = c->login;
    in->held = m;
    in->held_ms = loop_now_ms(c->env->loop);
    conn_swallow_settle(c);
    if (!in->service) {
        conn_end(c, "login without a service request", true);
        return;
    }
    if (!drop_question(c))
        return;
    if (!take_user(c)) {
        if (c->end_why == NULL)
            refuse(c, "none", "no user name, or one that is too long", NULL, true);
        return;
    }
    int method = ssh_message_subtype(m);
    if (method != SSH_AUTH_METHOD_INTERACTIVE)
        forget_question(c);
    if (method == SSH_AUTH_METHOD_NONE && !in->none_seen) {
        in->none_seen = true; /* how a client asks for the list: no failure */
        send_refusal(c);
    } else if (!(in->allowed & (unsigned)method) || method == SSH_AUTH_METHOD_NONE) {
        refuse(c, "other", "method not offered", NULL, false);
    } else if (!is_heard(c)) {
        return;
    } else if (method == SSH_AUTH_METHOD_PASSWORD) {
        password(c);
    } else if (method == SSH_AUTH_METHOD_PUBLICKEY) {
        publickey(c);
    } else {
        keyboard(c);
    }
}

static void service_request(struct conn *c, ssh_message m)
{
    struct conn_login *in = c->login;
    const char *name = ssh_message_service_service(m);
    if (name == NULL || strcmp(name, "ssh-userauth") != 0) {
        conn_end(c, "unknown service", true);
    } else {
        (void)ssh_message_service_reply_success(m);
        if (!in->service && c->settings->ssh.banner != NULL) {
            ssh_string text = ssh_string_from_char(c->settings->ssh.banner);
            if (text != NULL)
                (void)ssh_send_issue_banner(c->ssh, text);
            ssh_string_free(text);
        }
        conn_swallow_service(c, !in->service);
        in->service = true;
    }
    ssh_message_free(m);
}

/* The answer to a request that libssh dropped without a word: a signature that is wrong or of an
 * algorithm that is not accepted, a key of an unknown type. */
void conn_auth_swallowed(struct conn *c)
{
    struct conn_login *in = c->login;
    log_failure(c, "publickey", "bad signature, or an algorithm that is not accepted", NULL);
    count_guess(c);
    if (c->end_why != NULL || too_many(c))
        return;
    if (in->kept == NULL)
        conn_end(c, "first request of the login not understood", true);
    else
        (void)ssh_message_reply_default(in->kept);
    conn_pump_soon(c);
}

void conn_auth_messages(struct conn *c)
{
    ssh_message m = NULL;
    while (c->state == CONN_LOGIN && c->end_why == NULL && (m = ssh_message_get(c->ssh)) != NULL) {
        int type = ssh_message_type(m);
        if (type == SSH_REQUEST_AUTH) {
            auth_request(c, m);
        } else if (type == SSH_REQUEST_SERVICE) {
            service_request(c, m);
        } else {
            (void)ssh_message_reply_default(m);
            ssh_message_free(m);
            conn_swallow_explain(c);
        }
    }
    if (c->state == CONN_LOGIN && c->end_why == NULL)
        conn_swallow_look(c);
}
