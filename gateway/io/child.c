#include "gateway/io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/child_stderr.h"
#include "gateway/io/deadline.h"

#define READ_BYTES  8192u
#define DRAIN_READS 128u /* the most that a pipe holds: 1 MiB */

/* Alive while its process is, or its owner has it, or one of its handles is not closed. */
struct child {
    struct loop *loop;
    const struct child_fns *fns; /* NULL = its owner has left it */
    void *arg;
    pid_t pid;
    uv_poll_t death; /* of the pidfd */
    int pidfd;
    uv_pipe_t in, out;
    uv_shutdown_t end_of_input;
    struct child_stderr *err;
    struct op *grace;
    unsigned handles;  /* not closed */
    bool told, reaped; /* got its TERM */
    char room[READ_BYTES];
};

/* The pipes of stdin, stdout and stderr: [i][0] is ours, [i][1] the program's; -1 = none. */
struct ends {
    int fd[3][2];
};

static void ends_close(struct ends *e)
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            if (e->fd[i][k] >= 0)
                close(e->fd[i][k]);
}

static int ends_open(struct ends *e)
{
    memset(e, -1, sizeof *e);
    for (int i = 0; i < 3; i++) {
        int fd[2];
        int ours = i == 0 ? 1 : 0;
        int rc = uv_pipe(fd, ours == 0 ? UV_NONBLOCK_PIPE : 0, ours == 1 ? UV_NONBLOCK_PIPE : 0);
        if (rc != 0)
            return -rc;
        e->fd[i][0] = fd[ours];
        e->fd[i][1] = fd[1 - ours];
    }
    return 0;
}

/* glibc's posix_spawn() shares the memory until the exec: nothing is copied, errors come back. */
static int spawn(pid_t *pid, const struct ends *e, const char *const *argv, const char *const *env)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(&attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(&attr, &all);
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = posix_spawn_file_actions_adddup2(&files, e->fd[i][1], i);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (rc == 0) /* execve() changes neither argv nor env: they are const in all but its type */
        rc = posix_spawn(pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv,
                         (char *const *)(uintptr_t)env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* With all that is left of its group: until it is reaped no other group can have its number. */
static int reap(pid_t pid)
{
    int how = 0;
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0)
        if (errno != EINTR)
            break;
    return how;
}

static void maybe_free(struct child *c)
{
    if (c->handles == 0 && c->reaped && c->fns == NULL)
        mem_free_secret(c, sizeof *c); /* room held answers */
}

static void closed(uv_handle_t *h)
{
    struct child *c = h->data;
    c->handles--;
    maybe_free(c);
}

static void death_closed(uv_handle_t *h)
{
    struct child *c = h->data;
    close(c->pidfd);
    closed(h);
}

static void close_once(uv_pipe_t *p)
{
    if (!uv_is_closing((uv_handle_t *)p))
        uv_close((uv_handle_t *)p, closed);
}

static void output(struct child *c, const char *p, size_t n)
{
    if (c->fns != NULL)
        c->fns->output(c->arg, gw_span_of(p, n));
}

static void give_room(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
    struct child *c = h->data;
    (void)want;
    *buf = uv_buf_init(c->room, READ_BYTES);
}

static void on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = s->data;
    if (n < 0)
        close_once(&c->out); /* it may close its stdout and go on */
    else
        output(c, buf->base, (size_t)n);
}

/* What it wrote before it ended. Not to the end of the stream: a process that left its session may
 * hold it open. */
static void drain(struct child *c)
{
    uv_os_fd_t fd;
    for (unsigned i = 0;
         i < DRAIN_READS && c->fns != NULL && !uv_is_closing((uv_handle_t *)&c->out); i++) {
        if (uv_fileno((uv_handle_t *)&c->out, &fd) != 0)
            break;
        ssize_t n = read(fd, c->room, READ_BYTES);
        if (n <= 0)
            break;
        output(c, c->room, (size_t)n);
    }
}

static void on_death(uv_poll_t *h, int status, int events)
{
    struct child *c = h->data;
    (void)status;
    (void)events;
    int how = reap(c->pid);
    c->reaped = true;
    op_cancel(&c->grace);
    uv_close((uv_handle_t *)h, death_closed);
    drain(c);
    child_stderr_end(&c->err);
    close_once(&c->in);
    close_once(&c->out);
    if (c->fns == NULL)
        return; /* the last handle that closes frees it */
    struct child_end end = {.exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : -1,
                            .signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0};
    c->fns->ended(c->arg, &end);
}

/* 0: the handles own our ends of the pipes now; or an errno, and nothing is begun. */
static int watch(struct child *c, struct ends *e, const char *name)
{
    uv_loop_t *uv = loop_uv(c->loop);
    int rc = uv_poll_init(uv, &c->death, c->pidfd);
    if (rc != 0)
        return -rc;
    uv_poll_start(&c->death, UV_READABLE, on_death);
    uv_pipe_init(uv, &c->in, 0);
    uv_pipe_init(uv, &c->out, 0);
    c->in.data = c->out.data = c->death.data = c;
    c->handles = 3;
    uv_pipe_open(&c->in, e->fd[0][0]);
    uv_pipe_open(&c->out, e->fd[1][0]);
    c->err = child_stderr_new(c->loop, e->fd[2][0], name, c->pid);
    e->fd[0][0] = e->fd[1][0] = e->fd[2][0] = -1;
    uv_read_start((uv_stream_t *)&c->out, give_room, on_output);
    return 0;
}

static enum gw_err cannot(const char *path, int why, struct gw_errmsg *msg)
{
    enum gw_err err = why == EAGAIN || why == EMFILE || why == ENFILE ? GW_BUSY
                      : why == EACCES || why == ENOEXEC               ? GW_DENIED
                      : why == E2BIG                                  ? GW_TOO_LARGE
                      : why == ENOENT || why == ENOTDIR               ? GW_NOT_FOUND
                                                                      : GW_IO;
    char text[128];
    return gw_err_set(msg, err, "%s cannot be started: %s", path,
                      uv_strerror_r(-why, text, sizeof text));
}

/* Takes pid. 0, or an errno. */
static int adopt(struct child *c, pid_t pid, struct ends *e, const char *path)
{
    const char *slash = strrchr(path, '/');
    c->pid = pid;
    c->pidfd = pidfd_open(pid, 0);
    int rc = c->pidfd < 0 ? errno : watch(c, e, slash != NULL ? slash + 1 : path);
    if (rc == 0)
        return 0;
    (void)reap(pid);
    if (c->pidfd >= 0)
        close(c->pidfd);
    return rc;
}

enum gw_err child_start(struct loop *l, const char *const *argv, const char *const *env,
                        const struct child_fns *fns, void *arg, struct child **out,
                        struct gw_errmsg *msg)
{
    struct child *c = mem_zalloc(sizeof *c);
    struct ends e;
    pid_t pid = 0;
    c->loop = l;
    c->fns = fns;
    c->arg = arg;
    int rc = ends_open(&e);
    if (rc == 0)
        rc = spawn(&pid, &e, argv, env);
    if (rc == 0)
        rc = adopt(c, pid, &e, argv[0]);
    ends_close(&e);
    if (rc != 0) {
        mem_free(c);
        return cannot(argv[0], rc, msg);
    }
    *out = c;
    return GW_OK;
}

int child_pid(const struct child *c)
{
    return c->pid;
}

struct put {
    uv_write_t req;
    size_t len;
    char bytes[];
};

static void on_written(uv_write_t *req, int status)
{
    struct put *p = (struct put *)req;
    (void)status; /* EPIPE: it reads no more. What that means, its end will say */
    mem_free_secret(p, sizeof *p + p->len);
}

enum gw_err child_write(struct child *c, struct gw_span bytes)
{
    if (uv_is_closing((uv_handle_t *)&c->in))
        return GW_OK;
    if (bytes.len > CHILD_UNSENT_MAX_BYTES ||
        uv_stream_get_write_queue_size((uv_stream_t *)&c->in) + bytes.len > CHILD_UNSENT_MAX_BYTES)
        return GW_BUSY;
    struct put *p = mem_try_alloc(sizeof *p + bytes.len);
    if (p == NULL)
        return GW_NO_MEMORY;
    p->len = bytes.len;
    if (bytes.len > 0)
        memcpy(p->bytes, bytes.ptr, bytes.len);
    uv_buf_t buf = uv_buf_init(p->bytes, (unsigned)bytes.len);
    if (uv_write(&p->req, (uv_stream_t *)&c->in, &buf, 1, on_written) != 0)
        mem_free_secret(p, sizeof *p + p->len);
    return GW_OK;
}

static void on_input_sent(uv_shutdown_t *req, int status)
{
    struct child *c = req->handle->data;
    (void)status;
    close_once(&c->in);
}

void child_close_input(struct child *c)
{
    if (uv_is_closing((uv_handle_t *)&c->in))
        return;
    /* A pipe has no shutdown: libuv tells when all is written, with an error that means nothing. */
    if (uv_shutdown(&c->end_of_input, (uv_stream_t *)&c->in, on_input_sent) != 0)
        close_once(&c->in);
}

static void tell(struct child *c);

static void grace_over(void *arg)
{
    struct child *c = arg;
    c->grace = NULL;
    if (c->told)
        (void)kill(-c->pid, SIGKILL);
    else
        tell(c);
}

static void tell(struct child *c)
{
    c->told = true;
    (void)kill(-c->pid, SIGTERM);
    c->grace = deadline_start(c->loop, CHILD_GRACE_MS, grace_over, c);
}

/* It runs on as an orphan, or is over. */
static struct child *orphan(struct child **cp)
{
    struct child *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return NULL;
    c->fns = NULL;
    if (!c->reaped)
        return c;
    maybe_free(c);
    return NULL;
}

void child_free(struct child **cp)
{
    struct child *c = orphan(cp);
    if (c == NULL)
        return;
    tell(c);
    close_once(&c->in);
    close_once(&c->out);
}

void child_leave(struct child **cp)
{
    struct child *c = orphan(cp);
    if (c == NULL)
        return;
    c->grace = deadline_start(c->loop, CHILD_GRACE_MS, grace_over, c);
    close_once(&c->in);
}
