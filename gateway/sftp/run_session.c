/* Requests that ask about the session, not about a file. */
#include "gateway/sftp/run.h"

#include <string.h>

#include "gateway/vfs/vpath.h"

/* Lexical: a path that does not exist has a real path as well, and clients rely on it. */
void run_realpath(struct request *r)
{
    request_name(r, r->path[0]);
}

void run_expand_path(struct request *r)
{
    const char *home = vfs_home(r->s->env.vfs);
    struct gw_span wire = gw_span_str(r->text);
    if (r->text[0] == '~') {
        if (r->text[1] != '\0' && r->text[1] != '/') {
            request_status(r, GW_NOT_FOUND, "only your own home can be named");
            return;
        }
        /* "~/x" is x seen from the home. */
        wire = gw_span_str(r->text + 1);
        while (wire.len > 0 && wire.ptr[0] == '/')
            wire = gw_span_of(wire.ptr + 1, wire.len - 1);
    }
    struct vpath path;
    enum gw_err err = vpath_resolve(home, wire, &path);
    if (err != GW_OK)
        request_status(r, err, NULL);
    else
        request_name(r, path.s);
}

/* Whoever is named: a session sees one home, and there is nobody else in its tree. */
void run_home_directory(struct request *r)
{
    request_name(r, vfs_home(r->s->env.vfs));
}

void run_limits(struct request *r)
{
    struct gw_buf *b = request_writer(r);
    size_t mark = wire_begin(b, FXP_EXTENDED_REPLY, r->id);
    gw_buf_put_u64(b, SFTPD_PACKET_MAX);
    gw_buf_put_u64(b, WIRE_DATA_MAX);
    gw_buf_put_u64(b, WIRE_DATA_MAX);
    gw_buf_put_u64(b, r->s->handles.max);
    gw_buf_end_len(b, mark);
    request_end(r);
}

static void put_unknown_names(struct gw_buf *b, size_t count)
{
    size_t mark = gw_buf_begin_len(b);
    for (size_t i = 0; i < count; i++)
        gw_buf_put_cstr(b, "");
    gw_buf_end_len(b, mark);
}

/* An empty name says "not known". The gateway's own accounts mean nothing to its users, and are not
 * theirs to see. */
void run_users_groups_by_id(struct request *r)
{
    size_t users = r->q.u.ids.uids.len / 4;
    size_t groups = r->q.u.ids.gids.len / 4;
    if (users + groups > RUN_IDS_MAX) {
        request_status(r, GW_TOO_LARGE, "too many ids in one request");
        return;
    }
    struct gw_buf *b = request_writer(r);
    size_t mark = wire_begin(b, FXP_EXTENDED_REPLY, r->id);
    put_unknown_names(b, users);
    put_unknown_names(b, groups);
    gw_buf_end_len(b, mark);
    request_end(r);
}

/* WinSCP introduces itself and pipelines on: any answer will do, none would stall it. */
void run_vendor_id(struct request *r)
{
    request_status(r, GW_OK, NULL);
}

void run_version_select(struct request *r)
{
    struct sftpd *s = r->s;
    bool first = s->counters.requests == 1;
    if (first && strcmp(r->text, "3") == 0) {
        request_status(r, GW_OK, NULL);
        return;
    }
    s->closing = "a version was selected that is not spoken, or too late";
    request_status(r, GW_BAD_ARG, "this version cannot be selected");
}
