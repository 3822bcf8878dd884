#include "tests/support/s3_lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/s3/s3_options.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

static void die(const char *what)
{
    fprintf(stderr, "s3_lab: %s\n", what);
    abort();
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

void s3_lab_conf(struct s3_lab *e, const struct s3_stub *stub)
{
    const char *ca = getenv("POSTERN_TEST_S3_CA");
    char *url = stub != NULL ? mem_printf("http://127.0.0.1:%u", s3_stub_port(stub))
                             : mem_strdup(getenv("POSTERN_TEST_S3_ENDPOINT"));
    json_t *obj =
        json_pack("{ss ss sb s{ss ss}}", "bucket", variable("POSTERN_TEST_S3_BUCKET", "unit"),
                  "endpoint", url, "path_style", 1, "credentials", "access_key_id",
                  variable("POSTERN_TEST_S3_KEY", "key"), "secret_access_key",
                  variable("POSTERN_TEST_S3_SECRET", "secret"));
    mem_free(url);
    if (stub == NULL && ca != NULL)
        json_object_set_new(obj, "tls", json_pack("{ss}", "ca_file", ca));
    struct opt_reader reader = {0};
    gw_buf_init(&reader.problems, 1u << 16);
    options_read(&reader, s3_options, obj, "", &e->conf);
    json_decref(obj);
    if (reader.nproblems > 0)
        die(gw_buf_cstr(&reader.problems));
    gw_buf_free(&reader.problems);
    if (stub != NULL) { /* with parts that are less than a real server takes */
        e->conf.max_retries = 3;
        e->conf.part_mb = 1;
    }
}

void s3_lab_open(struct s3_lab *e, const char *prefix, const char *state_dir, size_t budget)
{
    if (loop_new(&e->loop) != GW_OK)
        die("no loop");
    e->budget = budget_new(budget);
    const struct backend_env env = {.loop = e->loop, .budget = e->budget, .state_dir = state_dir};
    const struct opt_any any = {.kind = &s3_kind.opt, .conf = &e->conf};
    struct gw_errmsg msg = {""};
    if (backend_new(&env, "lab", &any, &e->backend, &msg) != GW_OK)
        die(msg.text);
    snprintf(e->prefix, sizeof e->prefix, "%s", prefix);
    const struct backend_view view = {.prefix = e->prefix};
    if (backend_view_new(e->backend, &view, &e->fs) != GW_OK)
        die("no view");
}

void s3_lab_close(struct s3_lab *e)
{
    fs_free(&e->fs);
    backend_unref(&e->backend);
    loop_free(&e->loop);
    if (budget_used(e->budget) != 0)
        die("memory was not given back");
    budget_free(&e->budget);
    options_free(s3_options, &e->conf);
}

struct s3_lab *s3_lab_stub(void)
{
    struct s3_lab *e = mem_zalloc(sizeof *e);
    e->stub = s3_stub_start();
    s3_lab_conf(e, e->stub);
    s3_lab_open(e, "p", NULL, 256 * S3_LAB_MIB);
    return e;
}

struct s3_lab *s3_lab_real(size_t budget)
{
    if (getenv("POSTERN_TEST_S3_ENDPOINT") == NULL)
        return NULL;
    struct s3_lab *e = mem_zalloc(sizeof *e);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "run-%ld-%llx", (long)getpid(),
             (unsigned long long)uv_hrtime());
    s3_lab_conf(e, NULL);
    s3_lab_open(e, prefix, NULL, budget);
    (void)s3_lab_request(e, &(struct s3_req){.method = "PUT"}); /* the bucket may be there */
    return e;
}

void s3_lab_free(struct s3_lab **ep)
{
    struct s3_lab *e = *ep;
    *ep = NULL;
    if (e == NULL)
        return;
    s3_lab_close(e);
    if (e->stub != NULL)
        s3_stub_stop(&e->stub);
    mem_free(e);
}

int s3_lab_setup(void **state)
{
    *state = s3_lab_stub();
    return 0;
}

int s3_lab_teardown(void **state)
{
    struct s3_lab *e = *state;
    s3_lab_free(&e);
    return 0;
}

static void request_done(void *arg, const struct remote_res *res)
{
    *(enum gw_err *)arg = res->err;
}

static bool request_over(void *arg)
{
    return *(enum gw_err *)arg != GW_ERR_COUNT;
}

enum gw_err s3_lab_request(struct s3_lab *e, const struct s3_req *req)
{
    enum gw_err err = GW_ERR_COUNT;
    (void)s3_client_start(((struct s3_store *)e->backend)->client, req, request_done, &err);
    if (!sync_until(e->loop, request_over, &err))
        die("a request has no end");
    return err;
}

bool s3_lab_no_uploads(void *arg)
{
    return s3_stub_uploads(((struct s3_lab *)arg)->stub) == 0;
}
