/*
 * A program that runs beside the gateway, a child of one loop: bytes to its stdin, bytes from its
 * stdout, its stderr in the log (child_stderr.h).
 *
 * It inherits three pipes, the environment that it is given, the working folder, user and limits of
 * the gateway, and nothing else: no other descriptor, no ignored or blocked signal. It is the
 * leader of a session of its own; when it ends, whatever it left behind in its process group is
 * killed.
 *
 * Not by uv_spawn(): that leaves open what a library opened without O_CLOEXEC, its fork() copies
 * the page tables of a gateway full of buffers while the loop waits, and it reaps a child before
 * its group could be killed by a number that cannot yet be somebody else's.
 *
 * The process must not ignore SIGCHLD, and must ignore SIGPIPE (cmd_main() sees to both).
 */
#ifndef GATEWAY_IO_CHILD_H
#define GATEWAY_IO_CHILD_H

#include "gateway/base/buf.h"
#include "gateway/io/loop.h"

#define CHILD_GRACE_MS         2000u           /* between TERM and KILL */
#define CHILD_UNSENT_MAX_BYTES (1024u * 1024u) /* what child_write() may have pending */

struct child;

struct child_end {
    int exit_code; /* -1: killed by `signal` */
    int signal;
};

/* Both may call child_free(). Neither runs before child_start() returned, nor after child_free().
 */
struct child_fns {
    void (*output)(void *arg, struct gw_span part);
    /* Once, after its last output: it is gone. */
    void (*ended)(void *arg, const struct child_end *end);
};

/*
 * argv[0] is the path of the program (PATH is not searched), env the whole environment; both end in
 * NULL. Borrows argv and env until it returns, fns for the child's life.
 * Errors: GW_NOT_FOUND, GW_DENIED, GW_BUSY (processes or descriptors have run out), GW_TOO_LARGE
 * (argv and env), GW_IO; *msg.
 */
enum gw_err child_start(struct loop *l, const char *const *argv, const char *const *env,
                        const struct child_fns *fns, void *arg, struct child **out,
                        struct gw_errmsg *msg);
int child_pid(const struct child *c);
/* Copies, wipes when it is sent. A program that does not read is no error: it ends, or is ended.
 * Errors: GW_BUSY: more than CHILD_UNSENT_MAX_BYTES would be unsent; GW_NO_MEMORY. */
enum gw_err child_write(struct child *c, struct gw_span bytes);
/* Its end of file, once what was written is sent. The last write; call it once. */
void child_close_input(struct child *c);
/* Without a callback: what still runs gets TERM, and KILL after CHILD_GRACE_MS. NULL-safe. */
void child_free(struct child **cp);
/* The same for a program that has done its work: its stdin ends, and it has CHILD_GRACE_MS to end
 * by itself first. */
void child_leave(struct child **cp);

#endif
