#include "tests/support/s3_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/support/sync.h"

static void must(bool fact)
{
    if (!fact) {
        fprintf(stderr, "s3_script: not as it must be\n");
        abort();
    }
}

static bool send_reply(struct http_stub_conn *c, const struct s3_script_reply *r, bool head)
{
    const char *headers = r->headers != NULL ? r->headers : "";
    const char *body = r->body != NULL ? r->body : "";
    switch (r->how) {
    case S3_SCRIPT_CUT_HEAD:
        return false;
    case S3_SCRIPT_CUT_BODY:
        http_stub_text(c, "HTTP/1.1 %u X\r\nContent-Length: 1000\r\n\r\nsome", r->status);
        return false;
    case S3_SCRIPT_SILENT:
        http_stub_pause(c, 60000);
        return false;
    default:
        if (head)
            return http_stub_text(c, "HTTP/1.1 %u X\r\n%sContent-Length: 7\r\n\r\n", r->status,
                                  headers);
        return http_stub_reply(c, r->status, headers, body, strlen(body));
    }
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *req)
{
    struct s3_script_server *s = arg;
    struct s3_script_reply r = {0};
    pthread_mutex_lock(&s->lock);
    unsigned n = s->requests++;
    if (n < S3_SCRIPT_STEPS) {
        r = s->replies[n];
        http_stub_header(req, "x-amz-date", s->dates[n], sizeof s->dates[n]);
        http_stub_header(req, "x-amz-security-token", s->tokens[n], sizeof s->tokens[n]);
        http_stub_header(req, "x-amz-content-sha256", s->hashes[n], sizeof s->hashes[n]);
    }
    snprintf(s->target, sizeof s->target, "%s", req->target);
    http_stub_header(req, "Host", s->host, sizeof s->host);
    http_stub_header(req, "Authorization", s->auth, sizeof s->auth);
    s->type[0] = '\0';
    http_stub_header(req, "Content-Type", s->type, sizeof s->type);
    unsigned pause = s->pause_ms;
    if (++s->now > s->most)
        s->most = s->now;
    pthread_mutex_unlock(&s->lock);
    if (pause > 0)
        http_stub_pause(c, pause);
    pthread_mutex_lock(&s->lock);
    s->now--;
    pthread_mutex_unlock(&s->lock);
    if (r.status == 0 && r.how == S3_SCRIPT_PLAIN)
        r = (struct s3_script_reply){.status = 200, .body = "ok"};
    return send_reply(c, &r, strcmp(req->method, "HEAD") == 0);
}

static char text_bucket[] = "bucket";
static char text_region[] = "us-east-1";
static char text_id[] = "AKID";
static char text_secret[] = "secret";

void s3_script_renew(struct s3_script *e)
{
    struct gw_errmsg msg;
    if (e->stub == NULL)
        e->stub = http_stub_start(serve, NULL, &e->server);
    snprintf(e->endpoint, sizeof e->endpoint, "http://127.0.0.1:%u", http_stub_port(e->stub));
    s3_client_free(&e->client);
    must(s3_client_new(e->loop, &e->conf, &e->client, &msg) == GW_OK);
}

int s3_script_setup(void **state)
{
    struct s3_script *e = mem_zalloc(sizeof *e);
    pthread_mutex_init(&e->server.lock, NULL);
    e->conf = (struct s3_conf){
        .bucket = text_bucket,
        .region = text_region,
        .endpoint = e->endpoint,
        .path_style = true,
        .credentials = {.access_key_id = text_id, .secret_access_key = text_secret},
        .request_timeout_s = 5,
        .max_retries = 3};
    must(loop_new(&e->loop) == GW_OK);
    s3_script_renew(e);
    *state = e;
    return 0;
}

int s3_script_teardown(void **state)
{
    struct s3_script *e = *state;
    s3_client_free(&e->client);
    loop_free(&e->loop);
    http_stub_stop(&e->stub);
    pthread_mutex_destroy(&e->server.lock);
    mem_free(e);
    return 0;
}

void s3_script_done(void *arg, const struct remote_res *res)
{
    struct s3_script_got *g = arg;
    g->op = NULL;
    must(!g->done);
    g->done = true;
    g->err = res->err;
    g->status = res->status;
    g->maybe_done = res->maybe_done;
    snprintf(g->text, sizeof g->text, "%s", res->text != NULL ? res->text : "");
    snprintf(g->code, sizeof g->code, "%s", res->code);
    snprintf(g->body, sizeof g->body, "%.*s", (int)res->body.len, (const char *)res->body.ptr);
}

bool s3_script_over(void *arg)
{
    return ((struct s3_script_got *)arg)->done;
}

void s3_script_run(struct s3_script *e, const struct s3_req *req, struct s3_script_got *g)
{
    *g = (struct s3_script_got){0};
    g->op = s3_client_start(e->client, req, s3_script_done, g);
    must(g->op != NULL);
    must(!g->done);
    must(sync_until(e->loop, s3_script_over, g));
}

unsigned s3_script_requests(struct s3_script *e)
{
    pthread_mutex_lock(&e->server.lock);
    unsigned n = e->server.requests;
    pthread_mutex_unlock(&e->server.lock);
    return n;
}

void s3_script_play(struct s3_script *e, const struct s3_script_reply replies[S3_SCRIPT_STEPS])
{
    pthread_mutex_lock(&e->server.lock);
    memcpy(e->server.replies, replies, sizeof e->server.replies);
    e->server.requests = e->server.now = e->server.most = e->server.pause_ms = 0;
    memset(e->server.dates, 0, sizeof e->server.dates);
    memset(e->server.tokens, 0, sizeof e->server.tokens);
    pthread_mutex_unlock(&e->server.lock);
}
