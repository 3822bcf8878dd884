#include "gateway/sftp/bind.h"

#include "gateway/base/mem.h"
#include "gateway/vfs/vpath.h"

static enum gw_err one_path(struct request *r, unsigned i, const char *cwd, struct gw_span wire)
{
    struct vpath path;
    enum gw_err err = vpath_resolve(cwd, wire, &path);
    if (err != GW_OK)
        return err;
    r->path[i] = mem_strndup(path.s, path.len);
    order_claim_path(&r->claim, i, r->path[i]);
    r->claim.changes = r->row->changes;
    return GW_OK;
}

static enum gw_err one_handle(struct request *r, unsigned i, enum order_class order)
{
    struct handle *h = handles_find(&r->s->handles, r->q.name[i]);
    if (h == NULL)
        return GW_BAD_HANDLE;
    r->h[i] = h;
    r->claim.handle[i] = h;
    r->claim.on_handle[i] = order;
    return GW_OK;
}

static enum gw_err one_text(struct request *r, struct gw_span text)
{
    if (text.len >= FS_PATH_MAX || gw_span_has_nul(text))
        return GW_BAD_NAME;
    r->text = mem_strndup((const char *)text.ptr, text.len);
    return GW_OK;
}

/* A link's own path, its target's text, and where that leads: the target's folder must allow the
 * link as well. */
static enum gw_err a_symlink(struct request *r)
{
    struct vpath parent;
    enum gw_err err = one_path(r, 0, vfs_home(r->s->env.vfs), r->q.name[0]);
    if (err == GW_OK)
        err = one_text(r, r->q.name[1]);
    if (err != GW_OK)
        return err;
    vpath_parent(r->path[0], &parent);
    return one_path(r, 1, parent.s, r->q.name[1]);
}

/* Makes what the request names into what it works on. */
static enum gw_err bind_names(struct request *r)
{
    const char *home = vfs_home(r->s->env.vfs);
    enum gw_err err = GW_OK;
    switch (r->q.names) {
    case WIRE_NO_NAME:
        break;
    case WIRE_ONE_PATH:
        err = one_path(r, 0, home, r->q.name[0]);
        break;
    case WIRE_TWO_PATHS:
        err = one_path(r, 0, home, r->q.name[0]);
        if (err == GW_OK)
            err = one_path(r, 1, home, r->q.name[1]);
        break;
    case WIRE_PATH_AND_TEXT:
        err = a_symlink(r);
        break;
    case WIRE_ONE_HANDLE:
        err = one_handle(r, 0, r->row->order);
        break;
    case WIRE_TWO_HANDLES:
        err = one_handle(r, 0, r->row->order);
        if (err == GW_OK)
            err = one_handle(r, 1, ORDER_ALONE);
        break;
    case WIRE_ONE_TEXT:
        err = one_text(r, r->q.name[0]);
        break;
    }
    return err;
}

/* What only some requests claim beyond their names. */
static void claim_more(struct request *r)
{
    if (r->q.shape == WIRE_WRITE) {
        r->claim.off = r->q.u.write.off;
        r->claim.end = r->q.u.write.off + r->q.u.write.data.len;
        /* A range that wraps is refused when it runs; an append may land anywhere. */
        if (r->claim.end < r->claim.off || (r->h[0]->flags & FS_APPEND)) {
            r->claim.off = 0;
            r->claim.end = UINT64_MAX;
        }
    } else if (r->row->type == FXP_CLOSE) {
        handles_hide(&r->s->handles, r->h[0]);
        order_claim_path(&r->claim, 0, r->h[0]->path);
        r->claim.changes = (r->h[0]->flags & (FS_WRITE | FS_CREATE)) != 0;
    }
}

/* What is asked about path `at`. Takes what is not granted of row->wish out of r->granted. */
static enum gw_err permit_path(struct request *r, const char *at, uint32_t all, const char **text)
{
    const struct rows_row *row = r->row;
    struct vfs *v = r->s->env.vfs;
    enum gw_err err = all == 0 ? GW_OK : vfs_permitted(v, at, all, text);
    if (err != GW_OK)
        return err;
    for (uint32_t bit = 1; bit <= row->wish; bit <<= 1) {
        const char *why = NULL;
        enum gw_err wished = row->wish & bit ? vfs_permitted(v, at, bit, &why) : GW_OK;
        if (wished == GW_OK)
            continue;
        r->granted &= ~bit;
        if ((row->any & bit) && (r->granted & row->any) == 0) {
            *text = why;
            return wished; /* the last of those that would have done */
        }
    }
    return GW_OK;
}

static enum gw_err permit(struct request *r, const char **text)
{
    const struct rows_row *row = r->row;
    uint32_t all = row->perms | (row->perms_of != NULL ? row->perms_of(&r->q) : 0u);
    enum gw_err err = GW_OK;
    r->granted = row->wish;
    if (all == 0 && row->wish == 0)
        return GW_OK;
    for (unsigned i = 0; i < 2 && err == GW_OK; i++) {
        const char *at = r->h[i] != NULL ? r->h[i]->path : r->path[i];
        struct vpath parent;
        if (at == NULL)
            continue;
        if (row->at == ROWS_AT_PARENT) {
            vpath_parent(at, &parent);
            at = parent.s;
        }
        err = permit_path(r, at, all, text);
    }
    return err;
}

enum gw_err bind_request(struct request *r, const char **text)
{
    *text = NULL;
    enum gw_err err = bind_names(r);
    if (err == GW_OK)
        err = permit(r, text);
    if (err == GW_OK)
        claim_more(r);
    return err;
}
