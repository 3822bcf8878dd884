#include "gateway/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *name, *text;
} words[GW_ERR_COUNT] = {
    [GW_OK] = {"ok", "success"},
    [GW_EOF] = {"eof", "end of file"},
    [GW_NOT_FOUND] = {"not_found", "no such file"},
    [GW_NO_PATH] = {"no_path", "no such path"},
    [GW_EXISTS] = {"exists", "file already exists"},
    [GW_DENIED] = {"denied", "permission denied"},
    [GW_READ_ONLY] = {"read_only", "permission denied: read-only"},
    [GW_UNSUPPORTED] = {"unsupported", "operation not supported"},
    [GW_BAD_MESSAGE] = {"bad_message", "bad message"},
    [GW_BAD_ARG] = {"bad_argument", "invalid parameter"},
    [GW_BAD_HANDLE] = {"bad_handle", "invalid handle"},
    [GW_BAD_NAME] = {"bad_name", "this name cannot be used"},
    [GW_TOO_LARGE] = {"too_large", "over a size limit"},
    [GW_NO_SPACE] = {"no_space", "no space left on the store"},
    [GW_QUOTA] = {"quota", "quota exceeded"},
    [GW_NOT_EMPTY] = {"not_empty", "directory not empty"},
    [GW_NOT_DIR] = {"not_dir", "not a directory"},
    [GW_IS_DIR] = {"is_dir", "is a directory"},
    [GW_LOOP] = {"loop", "too many symbolic links"},
    [GW_LOCKED] = {"locked", "locked by somebody else"},
    [GW_NO_MEMORY] = {"no_memory", "out of memory"},
    [GW_BUSY] = {"busy", "busy, try again"},
    [GW_TIMEOUT] = {"timeout", "the store did not answer in time"},
    [GW_IO] = {"io", "input/output error"},
    [GW_UPSTREAM] = {"upstream", "the store failed"},
    [GW_CHANGED] = {"changed", "the file changed while it was being read"},
    [GW_CANCELLED] = {"cancelled", "cancelled"},
    [GW_CONFIG] = {"config", "configuration error"},
    [GW_INTERNAL] = {"internal", "internal error"},
};

const char *gw_err_name(enum gw_err e)
{
    return (unsigned)e < GW_ERR_COUNT ? words[e].name : "unknown";
}

const char *gw_err_text(enum gw_err e)
{
    return (unsigned)e < GW_ERR_COUNT ? words[e].text : "failure";
}

enum gw_err gw_err_from_errno(int err)
{
    switch (err) {
    case 0:
        return GW_OK;
    case ENOENT:
        return GW_NOT_FOUND;
    case EEXIST:
        return GW_EXISTS;
    case EACCES:
    case EPERM:
    case EXDEV: /* openat2(RESOLVE_BENEATH): the path leaves the root */
        return GW_DENIED;
    case EROFS:
        return GW_READ_ONLY;
    case ENOSYS:
    case EOPNOTSUPP:
        return GW_UNSUPPORTED;
    case EINVAL:
        return GW_BAD_ARG;
    case EBADF:
        return GW_BAD_HANDLE;
    case ENAMETOOLONG:
    case EILSEQ:
        return GW_BAD_NAME;
    case EFBIG:
    case EOVERFLOW:
    case E2BIG:
        return GW_TOO_LARGE;
    case ENOSPC:
        return GW_NO_SPACE;
    case EDQUOT:
        return GW_QUOTA;
    case ENOTEMPTY:
        return GW_NOT_EMPTY;
    case ENOTDIR:
        return GW_NOT_DIR;
    case EISDIR:
        return GW_IS_DIR;
    case ELOOP:
        return GW_LOOP;
    case ENOLCK:
    case ETXTBSY:
        return GW_LOCKED;
    case ENOMEM:
        return GW_NO_MEMORY;
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
        return GW_BUSY;
    case ETIMEDOUT:
        return GW_TIMEOUT;
    default:
        return GW_IO;
    }
}

enum gw_err gw_err_set(struct gw_errmsg *m, enum gw_err e, const char *fmt, ...)
{
    if (m != NULL) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->text, sizeof m->text, fmt, ap);
        va_end(ap);
    }
    return e;
}
