#include "gateway/ssh/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

/* Accepted in one turn at most: sessions that run are served in between. */
#define ACCEPT_BATCH 64
/* No descriptor or no memory is left: the kernel keeps the connection, try again after so long. */
#define ACCEPT_PAUSE_MS 100
#define ADDRESS_LEN     (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)

/* CIDRs as they stand, host names as the addresses they had at start. */
struct addresses {
    char **v;
    size_t n, cap;
};

struct listener {
    const struct settings_tcp *tcp;
    listener_fn *fn;
    void *arg;
    int fd;
    uv_poll_t poll;
    uv_timer_t pause;
    unsigned open_handles;
    bool closing, allow_some;
    struct addresses allow, deny;
    uint16_t port;
    char address[ADDRESS_LEN];
};

static void add_address(struct addresses *a, const char *text)
{
    if (a->n == a->cap) {
        size_t cap = a->cap == 0 ? 8 : a->cap * 2;
        char **v = mem_array(cap, sizeof *v);
        if (a->n > 0)
            memcpy(v, a->v, a->n * sizeof *v);
        mem_free(a->v);
        a->v = v;
        a->cap = cap;
    }
    a->v[a->n++] = mem_strdup(text);
}

static void free_addresses(struct addresses *a)
{
    for (size_t i = 0; i < a->n; i++)
        mem_free(a->v[i]);
    mem_free(a->v);
    *a = (struct addresses){NULL, 0, 0};
}

static bool is_numeric(const char *entry)
{
    char head[ADDRESS_LEN];
    struct in6_addr any;
    size_t n = strcspn(entry, "/");
    if (n >= sizeof head)
        return false;
    memcpy(head, entry, n);
    head[n] = '\0';
    return inet_pton(AF_INET, head, &any) == 1 || inet_pton(AF_INET6, head, &any) == 1;
}

/* Digits after the slash, and no more than the family has bits. */
static bool prefix_is_good(const char *entry)
{
    const char *slash = strchr(entry, '/');
    if (slash == NULL)
        return true;
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
        return false;
    return strtoul(slash + 1, NULL, 10) <= (strchr(entry, ':') != NULL ? 128u : 32u);
}

static enum gw_err resolve(const struct opt_strs *entries, const char *what, struct addresses *out,
                           struct gw_errmsg *msg)
{
    for (size_t i = 0; i < entries->n; i++) {
        const char *entry = entries->v[i];
        if (is_numeric(entry)) {
            if (!prefix_is_good(entry))
                return gw_err_set(msg, GW_CONFIG, "listen.%s: %s is no address range", what, entry);
            add_address(out, entry);
            continue;
        }
        struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
        int rc = getaddrinfo(entry, NULL, &hints, &found);
        if (rc != 0)
            return gw_err_set(msg, GW_CONFIG, "listen.%s: %s: %s", what, entry, gai_strerror(rc));
        for (struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
            char text[ADDRESS_LEN];
            if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof text, NULL, 0,
                            NI_NUMERICHOST) == 0)
                add_address(out, text);
        }
        freeaddrinfo(found);
    }
    return GW_OK;
}

/* The listening socket's are inherited, and buffer sizes must stand before the handshake. */
static void set_buffers(int fd, const struct settings_tcp *tcp)
{
    int in = (int)tcp->receive_buffer_bytes, out = (int)tcp->send_buffer_bytes;
    if (in > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof in);
    if (out > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof out);
}

static void set_tcp_options(int fd, const struct settings_tcp *tcp)
{
    int one = 1;
    if (tcp->no_delay)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (tcp->keepalive_s == 0)
        return;
    int idle = (int)tcp->keepalive_s, interval = (int)tcp->keepalive_interval_s,
        count = (int)tcp->keepalive_count;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    if (interval > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    if (count > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    /* Keepalive does not run while data is unacknowledged: without this a peer that vanished in
     * the middle of a transfer stays for a quarter of an hour. */
    unsigned user_ms = (unsigned)(idle + interval * count) * 1000u;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
}

/* ::ffff:203.0.113.9 as 203.0.113.9, so that one rule fits both listeners. */
static void unmap(struct sockaddr_storage *ss)
{
    struct sockaddr_in6 six;
    memcpy(&six, ss, sizeof six);
    if (six.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
        return;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};
    memcpy(&four.sin_addr, &six.sin6_addr.s6_addr[12], 4);
    memset(ss, 0, sizeof *ss);
    memcpy(ss, &four, sizeof four);
}

static bool admitted(const struct listener *ls, const struct sockaddr_storage *peer)
{
    char text[ADDRESS_LEN];
    if (ls->deny.n == 0 && !ls->allow_some)
        return true;
    socklen_t len =
        peer->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (getnameinfo((const struct sockaddr *)peer, len, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return false;
    text[strcspn(text, "%")] = '\0'; /* the zone of a link-local address */
    const char *why = NULL;
    if (auth_address_in(text, ls->deny.v, ls->deny.n))
        why = "address in listen.deny";
    else if (ls->allow_some && !auth_address_in(text, ls->allow.v, ls->allow.n))
        why = "address not in listen.allow";
    if (why != NULL)
        LOG_EVENT(LOG_LVL_INFO, NULL, "refused", log_str("peer", text), log_str("reason", why));
    return why == NULL;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void after_pause(uv_timer_t *t)
{
    struct listener *ls = t->data;
    uv_poll_start(&ls->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *ls = poll->data;
    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_BATCH && !ls->closing; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(ls->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            LOG_EVENT(LOG_LVL_ERROR, NULL, "accept", log_str("error", strerrordesc_np(errno)));
            uv_poll_stop(&ls->poll);
            uv_timer_start(&ls->pause, after_pause, ACCEPT_PAUSE_MS, 0);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0)
            continue; /* it is gone already */
        unmap(&peer);
        if (!admitted(ls, &peer)) {
            close(fd);
            continue;
        }
        set_tcp_options(fd, ls->tcp);
        ls->fn(ls->arg, fd, &peer);
    }
}

static enum gw_err bind_socket(struct listener *ls, const struct settings_listen *conf,
                               const struct settings_tcp *tcp, struct gw_errmsg *msg)
{
    char port[16];
    struct gw_buf text;
    gw_buf_init(&text, sizeof port);
    gw_buf_printf(&text, "%u", conf->port);
    memcpy(port, gw_buf_cstr(&text), text.len + 1);
    gw_buf_free(&text);

    const char *host = conf->address != NULL && conf->address[0] != '\0' ? conf->address : "::";
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *ai = NULL;
    if (conf->ipv6 == SETTINGS_IPV6_OFF) {
        hints.ai_family = AF_INET;
        if (strcmp(host, "::") == 0)
            host = "0.0.0.0";
    } else if (conf->ipv6 == SETTINGS_IPV6_ONLY) {
        hints.ai_family = AF_INET6;
    }
    int rc = getaddrinfo(host, port, &hints, &ai);
    if (rc != 0)
        return gw_err_set(msg, GW_CONFIG, "listen.address: %s: %s", host, gai_strerror(rc));

    int one = 1, only = conf->ipv6 == SETTINGS_IPV6_ONLY;
    ls->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* A host without IPv6, and the default address: serve IPv4 rather than nobody. */
    if (ls->fd < 0 && errno == EAFNOSUPPORT && strcmp(host, "::") == 0 && !only) {
        struct settings_listen four = *conf;
        four.ipv6 = SETTINGS_IPV6_OFF;
        freeaddrinfo(ai);
        return bind_socket(ls, &four, tcp, msg);
    }
    bool ok = ls->fd >= 0 && setsockopt(ls->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
    if (ok && !conf->exclusive)
        ok = setsockopt(ls->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0;
    if (ok && ai->ai_family == AF_INET6)
        ok = setsockopt(ls->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0;
    if (ok)
        set_buffers(ls->fd, tcp);
    int backlog = conf->backlog > 0 ? (int)conf->backlog : SOMAXCONN;
    ok = ok && bind(ls->fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(ls->fd, backlog) == 0;
    int saved = errno;
    freeaddrinfo(ai);
    if (!ok)
        return gw_err_set(msg, GW_IO, "listen: %s port %u: %s%s", host, conf->port,
                          strerrordesc_np(saved),
                          saved == EACCES && conf->port < 1024
                              ? " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
                              : "");
    return GW_OK;
}

static void read_name(struct listener *ls)
{
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    char port[16];
    if (getsockname(ls->fd, (struct sockaddr *)&own, &len) == 0 &&
        getnameinfo((struct sockaddr *)&own, len, ls->address, sizeof ls->address, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        ls->port = (uint16_t)strtoul(port, NULL, 10);
}

static void on_closed(uv_handle_t *h)
{
    struct listener *ls = h->data;
    if (--ls->open_handles > 0)
        return;
    free_addresses(&ls->allow);
    free_addresses(&ls->deny);
    mem_free(ls);
}

enum gw_err listener_new(struct loop *l, const struct settings_listen *conf,
                         const struct settings_tcp *tcp, listener_fn *fn, void *arg,
                         struct listener **out, struct gw_errmsg *msg)
{
    struct listener *ls = mem_zalloc(sizeof *ls);
    ls->tcp = tcp;
    ls->fn = fn;
    ls->arg = arg;
    ls->fd = -1;
    ls->allow_some = conf->allow.n > 0;
    enum gw_err err = resolve(&conf->allow, "allow", &ls->allow, msg);
    if (err == GW_OK)
        err = resolve(&conf->deny, "deny", &ls->deny, msg);
    if (err == GW_OK)
        err = bind_socket(ls, conf, tcp, msg);
    if (err == GW_OK && uv_poll_init(loop_uv(l), &ls->poll, ls->fd) != 0)
        err = gw_err_set(msg, GW_IO, "listen: the event loop takes no more sockets");
    if (err != GW_OK) {
        if (ls->fd >= 0)
            close(ls->fd);
        free_addresses(&ls->allow);
        free_addresses(&ls->deny);
        mem_free(ls);
        return err;
    }
    uv_timer_init(loop_uv(l), &ls->pause);
    ls->poll.data = ls->pause.data = ls;
    ls->open_handles = 2;
    read_name(ls);
    uv_poll_start(&ls->poll, UV_READABLE, on_readable);
    *out = ls;
    return GW_OK;
}

const char *listener_address(const struct listener *ls)
{
    return ls->address;
}

uint16_t listener_port(const struct listener *ls)
{
    return ls->port;
}

void listener_free(struct listener **lp)
{
    struct listener *ls = *lp;
    *lp = NULL;
    if (ls == NULL)
        return;
    ls->closing = true;
    uv_close((uv_handle_t *)&ls->poll, on_closed);
    uv_close((uv_handle_t *)&ls->pause, on_closed);
    close(ls->fd);
}
