/* Uploads that the identity lets outlive their channel (partial_uploads keep, resume): their
 * engines end on their own time, and the connection's memory waits for them. */
#include "gateway/base/mem.h"
#include "gateway/io/deadline.h"
#include "gateway/sftp/keep.h"
#include "gateway/ssh/conn_impl.h"

struct conn_keep {
    struct list node;
    struct conn *conn;
    struct op *op;
    struct op *deadline;
};

static void drop(struct conn_keep *k)
{
    op_cancel(&k->op);
    op_cancel(&k->deadline);
    list_remove(&k->node);
    mem_free(k);
}

static void kept(void *arg)
{
    struct conn_keep *k = arg;
    struct conn *c = k->conn;
    k->op = NULL;
    drop(k);
    conn_keep_over(c);
}

static void too_late(void *arg)
{
    struct conn_keep *k = arg;
    struct conn *c = k->conn;
    k->deadline = NULL;
    LOG_EVENT(LOG_LVL_WARN, &c->log, "keep", log_str("result", "timeout"));
    drop(k);
    conn_keep_over(c);
}

static bool may_keep(const struct conn *c)
{
    return c->id != NULL && c->id->partial_uploads != IDENTITY_PARTIAL_DISCARD && !c->keeps_nothing;
}

bool conn_keep_engine(struct conn *c, struct sftpd **sp)
{
    if (!may_keep(c) || !keep_wanted(*sp))
        return false;
    struct conn_keep *k = mem_zalloc(sizeof *k);
    k->conn = c;
    k->op = keep_start(sp, kept, k);
    k->deadline = deadline_start(c->env->loop, CONN_KEEP_MS, too_late, k);
    list_push(&c->keeps, &k->node);
    return true;
}

bool conn_keeps(const struct conn *c)
{
    if (!may_keep(c))
        return false;
    for (struct list *it = c->channels.next; it != &c->channels; it = it->next) {
        const struct conn_channel *ch = LIST_ENTRY(it, struct conn_channel, node);
        if (ch->sftpd != NULL && keep_wanted(ch->sftpd))
            return true;
    }
    return false;
}

void conn_keep_cancel(struct conn *c)
{
    LIST_EACH_SAFE(it, next, &c->keeps)
    {
        drop(LIST_ENTRY(it, struct conn_keep, node));
    }
    conn_keep_over(c);
}
