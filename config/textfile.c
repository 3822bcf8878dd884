#include "config/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { STEP_BYTES = 4096 };

static enum gw_err from_errno(int err, struct gw_errmsg *msg)
{
    const char *why = strerrordesc_np(err);
    return gw_err_set(msg, gw_err_from_errno(err), "%s", why == NULL ? "unknown error" : why);
}

static enum gw_err read_all(int fd, struct gw_buf *out, struct gw_errmsg *msg)
{
    for (;;) {
        /* One byte of room tells "exactly max" from "too large". */
        size_t room = out->max - out->len;
        uint8_t extra;
        uint8_t *to = &extra;
        size_t want = 1;
        if (room > 0) {
            want = room < STEP_BYTES ? room : STEP_BYTES;
            to = gw_buf_reserve(out, want);
            if (to == NULL)
                return gw_err_set(msg, GW_NO_MEMORY, "out of memory");
        }
        ssize_t n = read(fd, to, want);
        if (n == 0)
            return GW_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return from_errno(errno, msg);
        if (room == 0)
            return gw_err_set(msg, GW_TOO_LARGE, "larger than %zu bytes", out->max);
        gw_buf_commit(out, (size_t)n);
    }
}

enum gw_err textfile_read(const char *path, struct gw_buf *out, struct gw_errmsg *msg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return from_errno(errno, msg);
    enum gw_err err = read_all(fd, out, msg);
    close(fd);
    return err;
}
