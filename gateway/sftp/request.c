#include "gateway/sftp/request.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/sftp/status.h"

#define SPARE_MAX 16u

struct request *request_new(struct sftpd *s, const struct rows_row *row, uint32_t id,
                            size_t promised)
{
    struct request *r;
    if (list_empty(&s->spare)) {
        r = mem_zalloc(sizeof *r);
    } else {
        r = LIST_ENTRY(list_first(&s->spare), struct request, node);
        list_remove(&r->node);
        s->nspare--;
        memset(r, 0, sizeof *r);
    }
    r->s = s;
    r->row = row;
    r->id = id;
    r->promised = promised;
    r->number = ++s->arrived;
    list_push(&s->requests, &r->node);
    s->nrequests++;
    s->nwaiting++;
    return r;
}

static void release(struct request *r)
{
    struct sftpd *s = r->s;
    assert(r->op == NULL);
    if (r->has_place)
        handles_give_back(&s->handles);
    if (r->rated > 0)
        rate_give_back(r->rate, r->rated);
    if (r->q.shape == WIRE_WRITE)
        s->writes_under_way -= r->q.u.write.data.len;
    if (!r->claim.started)
        s->nwaiting--;
    output_settle(&s->out, r->promised);
    mem_free(r->path[0]);
    mem_free(r->path[1]);
    mem_free(r->text);
    mem_free(r->data);
    list_remove(&r->node);
    s->nrequests--;
    if (s->nspare < SPARE_MAX) {
        list_push(&s->spare, &r->node);
        s->nspare++;
    } else {
        mem_free(r);
    }
}

void request_drop(struct request **rp)
{
    struct request *r = *rp;
    *rp = NULL;
    op_cancel(&r->op);
    release(r);
}

const struct fs_attr *request_create_attr(const struct request *r, struct fs_attr *attr)
{
    attr->set &= ~(uint32_t)FS_ATTR_SIZE;
    if (!(r->granted & PERM_CHMOD))
        attr->mode &= 0777u; /* the usual bits belong to creating */
    if (!(r->granted & PERM_CHOWN))
        attr->set &= ~(uint32_t)FS_ATTR_OWNER;
    if (!(r->granted & PERM_CHTIMES))
        attr->set &= ~(uint32_t)(FS_ATTR_ATIME | FS_ATTR_MTIME);
    return attr->set == 0 ? NULL : attr;
}

void request_done(void *arg, const struct fs_res *res)
{
    struct request *r = arg;
    struct sftpd *s = r->s;
    r->op = NULL;
    r->then(r, res);
    sftpd_settle(s);
}

struct gw_buf *request_writer(struct request *r)
{
    return output_writer(&r->s->out, r->promised);
}

void request_end(struct request *r)
{
    if (r->s->out.b.failed != GW_OK && r->s->dead == NULL)
        r->s->dead = "no memory for an answer";
    release(r);
}

static void log_refusal(const struct request *r, const char *text)
{
    const char *path = r->path[0];
    if (path == NULL && r->h[0] != NULL)
        path = r->h[0]->path;
    LOG_EVENT(LOG_LVL_INFO, r->s->env.log, "denied", log_str("request", r->row->name),
              log_str("path", path), log_str("to", r->path[1]), log_str("reason", text));
}

void request_status(struct request *r, enum gw_err err, const char *text)
{
    uint32_t version = r->s->version;
    text = status_text(err, text);
    if (err == GW_DENIED || err == GW_READ_ONLY)
        log_refusal(r, text);
    wire_put_status(request_writer(r), r->id, status_of(err, version), text);
    request_end(r);
}

void request_attrs(struct request *r, const struct fs_attr *a)
{
    wire_put_attrs(request_writer(r), r->id, r->s->version, a);
    request_end(r);
}

void request_handle(struct request *r, const struct handle *h)
{
    uint8_t wire[HANDLES_WIRE_BYTES];
    handles_wire(h, wire);
    wire_put_handle(request_writer(r), r->id, gw_span_of(wire, sizeof wire));
    request_end(r);
}

void request_name(struct request *r, const char *name)
{
    wire_put_name(request_writer(r), r->id, r->s->version, name);
    request_end(r);
}
