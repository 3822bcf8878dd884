/*
 * One run of a program: its stdin given, its stdout collected, its exit waited for. What it
 * inherits and how it is ended: child.h. Times in ms, sizes in bytes.
 */
#ifndef GATEWAY_IO_PROC_H
#define GATEWAY_IO_PROC_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/io/loop.h"

struct proc_req {
    const char *const *argv; /* argv[0] is a path; ends in NULL */
    const char *const *env;  /* all of it; ends in NULL */
    struct gw_span in;       /* at most CHILD_UNSENT_MAX_BYTES */
    size_t max_out;
    uint64_t timeout_ms; /* 0 = none */
};

/* Valid during the callback; what it shows is wiped after it. */
struct proc_res {
    enum gw_err err;
    int exit_code; /* GW_OK only */
    struct gw_span out;
    const char *text; /* what went wrong, for the log; "" for GW_OK */
};
typedef void proc_done_fn(void *arg, const struct proc_res *res);

/*
 * Borrows *req until it returns. GW_OK: it ended by itself, with any exit code; whether it read its
 * stdin makes no difference. Errors: GW_NOT_FOUND, GW_DENIED, GW_BUSY, GW_IO: it could not be
 * started; GW_TIMEOUT; GW_TOO_LARGE: it wrote more than max_out, or argv and env are too long;
 * GW_UPSTREAM: a signal killed it. A program that is still there when done is called, or after a
 * cancel, is ended (child_free()).
 */
struct op *proc_start(struct loop *l, const struct proc_req *req, proc_done_fn *done, void *arg);

#endif
