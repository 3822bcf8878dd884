#include "backends/s3/s3_initiate.h"

#include <stdio.h>

#include "backends/s3/s3_abort.h"
#include "backends/s3/s3_journal.h"
#include "backends/s3/s3_xml.h"
#include "gateway/base/mem.h"

/* Waits for the note in the journal, for S3's answer, and for the id in the journal: it stands
 * there before the first part is sent. */
struct initiate {
    struct op op;
    struct s3_store *store;
    char *key, *note;
    char **headers;
    size_t nheaders;
    enum gw_err err;
    char text[FS_TEXT_MAX];
    char *id;
    s3_initiate_fn *done; /* NULL = cancelled */
    void *arg;
};

static void initiate_free(struct initiate *i)
{
    for (size_t h = 0; h < i->nheaders; h++)
        mem_free(i->headers[h]);
    mem_free(i->headers);
    mem_free(i->key);
    mem_free(i->note);
    mem_free(i->id);
    s3_store_unref(&i->store);
    mem_free(i);
}

/* It goes on: only the answer tells which upload there is to end. */
static void initiate_cancel(struct op *op)
{
    ((struct initiate *)op)->done = NULL;
}

static const struct op_type initiate_type = {"s3_initiate", initiate_cancel};

static void end(void *arg)
{
    struct initiate *i = arg;
    if (i->done != NULL)
        i->done(i->arg, i->err, i->text, i->id);
    else if (i->id != NULL)
        (void)s3_abort_start(i->store, i->key, i->id, NULL, NULL);
    initiate_free(i);
}

static void fail(struct initiate *i, enum gw_err err, const char *text)
{
    i->err = err;
    snprintf(i->text, sizeof i->text, "%s", text != NULL ? text : gw_err_text(err));
}

static void answered(void *arg, const struct remote_res *res)
{
    struct initiate *i = arg;
    struct s3_xml_head head = {0};
    if (res->err != GW_OK)
        fail(i, res->err, res->text);
    else if (s3_xml_parse(S3_XML_INITIATE, res->body, NULL, NULL, &head) != GW_OK ||
             head.upload_id == NULL || head.upload_id[0] == '\0')
        fail(i, GW_UPSTREAM, "S3 answered without an upload id");
    else
        i->id = mem_strdup(head.upload_id);
    s3_xml_head_free(&head);
    if (i->note != NULL)
        s3_journal_answer(i->store, i->note, res->maybe_done || res->twice, i->key, i->id, end, i);
    else
        end(i);
}

static void ask(void *arg)
{
    struct initiate *i = arg;
    const struct s3_param query[] = {{"uploads", NULL}};
    const struct s3_req req = {.method = "POST",
                               .key = i->key,
                               .query = query,
                               .nquery = 1,
                               .headers = (const char *const *)i->headers,
                               .nheaders = i->nheaders};
    (void)s3_client_start(i->store->client, &req, answered, i);
}

struct op *s3_initiate_start(struct s3_store *s, const char *key, const char *const *headers,
                             size_t nheaders, s3_initiate_fn *done, void *arg)
{
    struct initiate *i = mem_zalloc(sizeof *i);
    i->op.type = &initiate_type;
    i->store = s3_store_ref(s);
    i->key = mem_strdup(key);
    i->headers = mem_array(nheaders, sizeof *i->headers);
    for (; i->nheaders < nheaders; i->nheaders++)
        i->headers[i->nheaders] = mem_strdup(headers[i->nheaders]);
    i->done = done;
    i->arg = arg;
    i->note = s3_journal_note(s, key, ask, i);
    if (i->note == NULL)
        ask(i);
    return &i->op;
}
