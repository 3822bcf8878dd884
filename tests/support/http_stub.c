#include "tests/support/http_stub.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

#define HEAD_MAX (64u * 1024)

struct http_stub {
    http_stub_fn *fn;
    http_stub_head_fn *head;
    void *arg;
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct list conns;
    unsigned accepted;
    unsigned last_peer; /* the port of the client accepted last */
    bool stopping;
};

struct http_stub_conn {
    struct list node;
    struct http_stub *stub;
    pthread_t thread;
    int fd;
    unsigned serial;
    bool ended; /* its thread may be joined */
    bool idle;  /* between two requests, nothing of the next one is taken from the socket */
    uint8_t in[16 * 1024];
    size_t at, have;
};

static bool fill(struct http_stub_conn *c)
{
    ssize_t n;
    do
        n = recv(c->fd, c->in, sizeof c->in, 0);
    while (n < 0 && errno == EINTR);
    c->at = 0;
    c->have = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool read_head(struct http_stub_conn *c, char *head, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap) {
        if (c->at == c->have && !fill(c))
            return false;
        head[n++] = (char)c->in[c->at++];
        head[n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static bool read_exact(struct http_stub_conn *c, uint8_t *to, size_t n)
{
    while (n > 0) {
        if (c->at == c->have && !fill(c))
            return false;
        size_t part = c->have - c->at < n ? c->have - c->at : n;
        memcpy(to, c->in + c->at, part);
        c->at += part;
        to += part;
        n -= part;
    }
    return true;
}

/* Up to `take` bytes and the rest of their chunk. */
static bool read_chunked(struct http_stub_conn *c, size_t take, uint8_t **body, size_t *len)
{
    while (*len <= take) {
        char line[32];
        size_t n = 0;
        do {
            uint8_t ch;
            if (n + 1 >= sizeof line || !read_exact(c, &ch, 1))
                return false;
            line[n++] = (char)ch;
        } while (line[n - 1] != '\n');
        line[n] = '\0';
        size_t size = strtoul(line, NULL, 16);
        uint8_t *grown = mem_try_realloc(*body, *len + size + 2);
        if (grown == NULL)
            return false;
        *body = grown;
        if (!read_exact(c, *body + *len, size + 2))
            return false;
        if (size == 0)
            return true;
        *len += size;
    }
    return false;
}

bool http_stub_header(const struct http_stub_req *req, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *p = strchr(req->head, '\n'); p != NULL; p = strchr(p, '\n')) {
        p++;
        if (strncasecmp(p, name, n) != 0 || p[n] != ':')
            continue;
        p += n + 1;
        p += strspn(p, " ");
        snprintf(out, cap, "%.*s", (int)strcspn(p, "\r\n"), p);
        return true;
    }
    return false;
}

static void set_idle(struct http_stub_conn *c, bool idle)
{
    pthread_mutex_lock(&c->stub->lock);
    c->idle = idle;
    pthread_cond_broadcast(&c->stub->changed);
    pthread_mutex_unlock(&c->stub->lock);
}

/* Leaves the bytes in the socket until c is marked busy, so that http_stub_settle() sees them in
 * one place or the other. */
static void await_request(struct http_stub_conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->at < c->have)
        return;
    set_idle(c, true);
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
    set_idle(c, false);
}

static bool serve_one(struct http_stub_conn *c, char *head)
{
    struct http_stub *s = c->stub;
    await_request(c);
    if (!read_head(c, head, HEAD_MAX))
        return false;
    struct http_stub_req req = {.head = head, .connection = c->serial};
    snprintf(req.method, sizeof req.method, "%.*s", (int)strcspn(head, " "), head);
    const char *target = head + strcspn(head, " ") + 1;
    snprintf(req.target, sizeof req.target, "%.*s", (int)strcspn(target, " "), target);

    char value[64];
    size_t length = 0;
    if (http_stub_header(&req, "Content-Length", value, sizeof value))
        length = strtoul(value, NULL, 10);
    size_t take = s->head != NULL ? s->head(s->arg, c, &req) : HTTP_STUB_ALL;
    uint8_t *body = NULL;
    if (take == HTTP_STUB_LINGER)
        shutdown(c->fd, SHUT_WR);
    bool ok = true;
    if (http_stub_header(&req, "Transfer-Encoding", value, sizeof value)) {
        ok = read_chunked(c, take, &body, &length);
    } else if (length > 0) {
        body = mem_alloc(length);
        ok = read_exact(c, body, take < length ? take : length) && take >= length;
    }
    if (!ok && take < length) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    req.body = body;
    req.body_len = length;
    if (ok && take == HTTP_STUB_ALL)
        ok = s->fn(s->arg, c, &req);
    while (take == HTTP_STUB_LINGER && fill(c))
        continue;
    ok = ok && take != HTTP_STUB_LINGER;
    mem_free(body);
    return ok;
}

static void *conn_main(void *arg)
{
    struct http_stub_conn *c = arg;
    char *head = mem_alloc(HEAD_MAX);
    while (serve_one(c, head))
        continue;
    mem_free(head);
    pthread_mutex_lock(&c->stub->lock);
    close(c->fd);
    c->fd = -1;
    c->ended = true;
    pthread_cond_broadcast(&c->stub->changed);
    pthread_mutex_unlock(&c->stub->lock);
    return NULL;
}

/* Under the lock. */
static void reap(struct http_stub *s)
{
    LIST_EACH_SAFE(it, tmp, &s->conns)
    {
        struct http_stub_conn *c = LIST_ENTRY(it, struct http_stub_conn, node);
        if (!c->ended)
            continue;
        list_remove(&c->node);
        pthread_join(c->thread, NULL);
        mem_free(c);
    }
}

static void *accept_main(void *arg)
{
    struct http_stub *s = arg;
    for (;;) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        pthread_mutex_lock(&s->lock);
        if (s->stopping) {
            pthread_mutex_unlock(&s->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        reap(s);
        if (fd >= 0) {
            int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            struct http_stub_conn *c = mem_zalloc(sizeof *c);
            c->stub = s;
            c->fd = fd;
            c->serial = s->accepted++;
            list_push(&s->conns, &c->node);
            pthread_create(&c->thread, NULL, conn_main, c);
            s->last_peer = ntohs(peer.sin_port);
            pthread_cond_broadcast(&s->changed);
        }
        pthread_mutex_unlock(&s->lock);
    }
}

struct http_stub *http_stub_start(http_stub_fn *fn, http_stub_head_fn *head, void *arg)
{
    struct http_stub *s = mem_zalloc(sizeof *s);
    s->fn = fn;
    s->head = head;
    s->arg = arg;
    list_init(&s->conns);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(s->fd, (struct sockaddr *)&sa, sizeof sa);
    rc |= listen(s->fd, 512);
    rc |= getsockname(s->fd, (struct sockaddr *)&sa, &len);
    assert(rc == 0);
    (void)rc;
    s->port = ntohs(sa.sin_port);
    pthread_create(&s->thread, NULL, accept_main, s);
    return s;
}

void http_stub_stop(struct http_stub **sp)
{
    struct http_stub *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    shutdown(s->fd, SHUT_RDWR);
    LIST_EACH(it, &s->conns)
    {
        struct http_stub_conn *c = LIST_ENTRY(it, struct http_stub_conn, node);
        if (!c->ended)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    while (!list_empty(&s->conns)) {
        reap(s);
        if (!list_empty(&s->conns))
            pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

unsigned http_stub_port(const struct http_stub *s)
{
    return s->port;
}

/* Under the lock. */
static bool settled(struct http_stub *s)
{
    LIST_EACH(it, &s->conns)
    {
        struct http_stub_conn *c = LIST_ENTRY(it, struct http_stub_conn, node);
        int waiting = 0;
        if (c->ended)
            continue;
        if (!c->idle || ioctl(c->fd, FIONREAD, &waiting) != 0 || waiting > 0)
            return false;
    }
    return true;
}

void http_stub_settle(struct http_stub *s)
{
    /* Connections are accepted in order: behind this one there is none that was made before. */
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)s->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&sa, sizeof sa);
    socklen_t len = sizeof sa;
    rc |= getsockname(fd, (struct sockaddr *)&sa, &len);
    assert(rc == 0);
    (void)rc;
    pthread_mutex_lock(&s->lock);
    while (s->last_peer != ntohs(sa.sin_port))
        pthread_cond_wait(&s->changed, &s->lock);
    while (!settled(s))
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    close(fd);
}

unsigned http_stub_connections(struct http_stub *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->accepted;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool http_stub_send(struct http_stub_conn *c, const void *p, size_t n)
{
    const uint8_t *at = p;
    while (n > 0) {
        ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool http_stub_text(struct http_stub_conn *c, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    bool ok = n >= 0 && http_stub_send(c, text, (size_t)n);
    mem_free(text);
    return ok;
}

bool http_stub_reply(struct http_stub_conn *c, unsigned status, const char *headers,
                     const void *body, size_t n)
{
    if (status == 204)
        return http_stub_text(c, "HTTP/1.1 204 No Content\r\n%s\r\n", headers);
    return http_stub_text(c, "HTTP/1.1 %u Stub\r\nContent-Length: %zu\r\n%s\r\n", status, n,
                          headers) &&
           (body == NULL || http_stub_send(c, body, n));
}

void http_stub_pause(struct http_stub_conn *c, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&c->stub->lock);
    while (!c->stub->stopping &&
           pthread_cond_timedwait(&c->stub->changed, &c->stub->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&c->stub->lock);
}
