#include "backends/s3/s3_initiate.h"

#include "backends/s3/s3_abort.h"
#include "backends/s3/s3_journal.h"
#include "backends/s3/s3_xml.h"
#include "gateway/base/mem.h"

struct initiate {
    struct op op;
    struct s3_store *store;
    char *key;
    struct op *request;
    s3_initiate_fn *done; /* NULL = cancelled */
    void *arg;
};

/* The request goes on: only its answer tells which upload there is to end. */
static void initiate_cancel(struct op *op)
{
    ((struct initiate *)op)->done = NULL;
}

static const struct op_type initiate_type = {"s3_initiate", initiate_cancel};

static void answered(void *arg, const struct remote_res *res)
{
    struct initiate *i = arg;
    i->request = NULL;
    enum gw_err err = res->err;
    const char *text = res->text;
    struct s3_xml_head head = {0};
    const char *id = NULL;
    if (err == GW_OK && s3_xml_parse(S3_XML_INITIATE, res->body, NULL, NULL, &head) == GW_OK &&
        head.upload_id[0] != '\0') {
        id = head.upload_id;
        s3_journal_add(i->store, i->key, id);
    } else if (err == GW_OK) {
        err = GW_UPSTREAM;
        text = "S3 began no multipart upload";
    }
    if (i->done != NULL)
        i->done(i->arg, err, text, id);
    else if (id != NULL)
        (void)s3_abort_start(i->store, i->key, id, NULL, NULL);
    s3_xml_head_free(&head);
    s3_store_unref(&i->store);
    mem_free(i->key);
    mem_free(i);
}

struct op *s3_initiate_start(struct s3_store *s, const char *key, const char *const *headers,
                             size_t nheaders, s3_initiate_fn *done, void *arg)
{
    struct initiate *i = mem_zalloc(sizeof *i);
    i->op.type = &initiate_type;
    i->store = s3_store_ref(s);
    i->key = mem_strdup(key);
    i->done = done;
    i->arg = arg;
    const struct s3_param query[] = {{"uploads", NULL}};
    const struct s3_req req = {.method = "POST",
                               .key = key,
                               .query = query,
                               .nquery = 1,
                               .headers = headers,
                               .nheaders = nheaders};
    i->request = s3_client_start(s->client, &req, answered, i);
    return &i->op;
}
