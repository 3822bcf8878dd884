#include "backends/s3/s3_creds.h"

#include <stdlib.h>
#include <string.h>

#include "backends/s3/s3.h"
#include "gateway/base/mem.h"

struct set {
    char *id, *secret, *token;
};

struct source {
    const char *name;
    void (*read)(const struct s3_conf *conf, struct set *out);
};

struct s3_creds {
    struct loop *loop;
    const struct s3_conf *conf;
    const struct source *source;
    struct set now;
};

/* An empty string is as good as none: that is how unset variables arrive from containers. */
static char *copy(const char *s)
{
    return s == NULL || *s == '\0' ? NULL : mem_strdup(s);
}

static void read_configuration(const struct s3_conf *conf, struct set *out)
{
    out->id = copy(conf->credentials.access_key_id);
    out->secret = copy(conf->credentials.secret_access_key);
    out->token = copy(conf->credentials.session_token);
}

static void read_environment(const struct s3_conf *conf, struct set *out)
{
    (void)conf;
    out->id = copy(getenv("AWS_ACCESS_KEY_ID"));
    out->secret = copy(getenv("AWS_SECRET_ACCESS_KEY"));
    out->token = copy(getenv("AWS_SESSION_TOKEN"));
}

/* In AWS's order. */
static const struct source sources[] = {
    {"configuration", read_configuration},
    {"environment", read_environment},
};

static void set_free(struct set *s)
{
    mem_free_secret_str(&s->id);
    mem_free_secret_str(&s->secret);
    mem_free_secret_str(&s->token);
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Takes *fresh. */
static bool replace(struct s3_creds *c, struct set *fresh)
{
    bool changed = !same(c->now.id, fresh->id) || !same(c->now.secret, fresh->secret) ||
                   !same(c->now.token, fresh->token);
    set_free(&c->now);
    c->now = *fresh;
    *fresh = (struct set){0};
    return changed;
}

enum gw_err s3_creds_new(struct loop *l, const struct s3_conf *conf, struct s3_creds **out,
                         struct gw_errmsg *msg)
{
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct set found = {0};
        sources[i].read(conf, &found);
        if (found.id == NULL && found.secret == NULL) {
            set_free(&found);
            continue;
        }
        if (found.id == NULL || found.secret == NULL) {
            const char *half = found.id == NULL ? "the access key id" : "the secret access key";
            set_free(&found);
            return gw_err_set(msg, GW_CONFIG, "credentials: from the %s: %s is missing",
                              sources[i].name, half);
        }
        struct s3_creds *c = mem_zalloc(sizeof *c);
        c->loop = l;
        c->conf = conf;
        c->source = &sources[i];
        c->now = found;
        *out = c;
        return GW_OK;
    }
    return gw_err_set(
        msg, GW_CONFIG,
        "credentials: none: set credentials.access_key_id and "
        "credentials.secret_access_key, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY in the environment (anonymous access is not supported)");
}

/* Nobody to ask again. */
static void read_nothing(const struct s3_conf *conf, struct set *out)
{
    (void)conf;
    *out = (struct set){0};
}

struct s3_creds *s3_creds_given(struct loop *l, const struct s3_conf_credentials *given)
{
    static const struct source identity = {"identity", read_nothing};
    struct s3_creds *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->source = &identity;
    c->now = (struct set){copy(given->access_key_id), copy(given->secret_access_key),
                          copy(given->session_token)};
    return c;
}

bool s3_creds_are(const struct s3_creds *c, const struct s3_conf_credentials *given)
{
    return same(c->now.id, given->access_key_id) && same(c->now.secret, given->secret_access_key) &&
           same(c->now.token, given->session_token);
}

void s3_creds_free(struct s3_creds **cp)
{
    struct s3_creds *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    set_free(&c->now);
    mem_free(c);
}

struct s3_sign_key s3_creds_key(const struct s3_creds *c)
{
    return (struct s3_sign_key){c->now.id, c->now.secret, c->now.token};
}

const char *s3_creds_source(const struct s3_creds *c)
{
    return c->source->name;
}

struct refresh {
    struct op op;
    struct op *turn;
    struct s3_creds *creds;
    s3_creds_done_fn *done;
    void *arg;
};

static void refresh_cancel(struct op *op)
{
    struct refresh *r = (struct refresh *)op;
    op_cancel(&r->turn);
    mem_free(r);
}

static const struct op_type refresh_type = {"s3_creds_refresh", refresh_cancel};

static void refresh_now(void *arg)
{
    struct refresh *r = arg;
    struct s3_creds *c = r->creds;
    r->turn = NULL;
    struct set fresh = {0};
    bool changed = false;
    c->source->read(c->conf, &fresh);
    if (fresh.id != NULL && fresh.secret != NULL)
        changed = replace(c, &fresh);
    set_free(&fresh);
    r->done(r->arg, changed);
    mem_free(r);
}

struct op *s3_creds_refresh(struct s3_creds *c, s3_creds_done_fn *done, void *arg)
{
    struct refresh *r = mem_zalloc(sizeof *r);
    r->op.type = &refresh_type;
    r->creds = c;
    r->done = done;
    r->arg = arg;
    r->turn = loop_defer(c->loop, refresh_now, r);
    return &r->op;
}
