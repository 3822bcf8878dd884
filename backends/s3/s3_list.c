#include "backends/s3/s3_list.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"

struct page {
    struct op op;
    struct op *request;
    char *token;
    struct s3_list_trail *trail;
    s3_xml_item_fn *fn;
    s3_list_done_fn *done;
    void *arg;
};

static void page_free(struct page *p)
{
    mem_free(p->token);
    mem_free(p);
}

static void page_cancel(struct op *op)
{
    struct page *p = (struct page *)op;
    op_cancel(&p->request);
    page_free(p);
}

static const struct op_type page_type = {"s3_list", page_cancel};

void s3_list_trail_free(struct s3_list_trail *t)
{
    mem_free(t->mark);
    *t = (struct s3_list_trail){0};
}

static bool been_there(struct s3_list_trail *t, const char *token)
{
    if (t->mark != NULL && strcmp(t->mark, token) == 0)
        return true;
    if (t->steps++ == t->until) {
        mem_free(t->mark);
        t->mark = mem_strdup(token);
        t->until = 2 * t->until + 1;
    }
    return false;
}

static bool advances(const struct page *p, const char *token)
{
    return token[0] != '\0' && strcmp(token, p->token) != 0 &&
           (p->trail == NULL || !been_there(p->trail, token));
}

static void answered(void *arg, const struct remote_res *res)
{
    struct page *p = arg;
    p->request = NULL;
    struct s3_list_res out = {.err = res->err, .text = res->text};
    struct s3_xml_head head = {0};
    if (out.err == GW_OK) {
        out.err = s3_xml_parse(S3_XML_LIST, res->body, p->fn, p->arg, &head);
        out.truncated = head.truncated;
        out.token = head.token;
        if (out.err == GW_BAD_MESSAGE) {
            out.err = GW_UPSTREAM;
            out.text = "S3 answered a listing with something else";
        } else if (out.err == GW_OK && out.truncated && !advances(p, head.token)) {
            out.err = GW_UPSTREAM;
            out.text = "S3 listing does not advance";
        }
    }
    p->done(p->arg, &out);
    s3_xml_head_free(&head);
    page_free(p);
}

struct op *s3_list_start(struct s3_store *s, const struct s3_list_args *args, s3_xml_item_fn *fn,
                         s3_list_done_fn *done, void *arg)
{
    struct page *p = mem_zalloc(sizeof *p);
    p->op.type = &page_type;
    p->token = mem_strdup(args->token != NULL ? args->token : "");
    p->trail = args->trail;
    p->fn = fn;
    p->done = done;
    p->arg = arg;

    char max_keys[16];
    snprintf(max_keys, sizeof max_keys, "%u", args->max_keys);
    struct s3_param query[6] = {{"list-type", "2"},
                                {"encoding-type", "url"},
                                {"max-keys", max_keys},
                                {"prefix", args->prefix}};
    size_t n = 4;
    if (args->delimited)
        query[n++] = (struct s3_param){"delimiter", "/"};
    if (p->token[0] != '\0')
        query[n++] = (struct s3_param){"continuation-token", p->token};
    const struct s3_req req = {.method = "GET", .query = query, .nquery = n, .log = args->log};
    p->request = s3_client_start(s->client, &req, answered, p);
    return &p->op;
}
