#include "gateway/io/http_kept.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

/* A request that is about to be sent does not know its socket, but the port. Sockets of Unix have
 * none: there, what one has too much may cost others their connection. */
struct kept {
    struct list node;
    curl_socket_t fd;
    long port;
};

void http_kept_idle(struct http_client *hc, CURL *easy, curl_socket_t fd)
{
    struct http_op *o = NULL;
    long version = 0, port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&o);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
    if (o == NULL || !o->head_done || o->recv_paused || version != CURL_HTTP_VERSION_1_1)
        return;
    struct kept *k = mem_zalloc(sizeof *k);
    k->fd = fd;
    k->port = port;
    list_push(&hc->kept, &k->node);
}

void http_kept_busy(struct http_client *hc, curl_socket_t fd)
{
    LIST_EACH_SAFE(it, tmp, &hc->kept)
    {
        struct kept *k = LIST_ENTRY(it, struct kept, node);
        if (k->fd != fd)
            continue;
        list_remove(&k->node);
        mem_free(k);
    }
}

int http_kept_close(void *arg, curl_socket_t fd)
{
    http_kept_busy(arg, fd);
    return close(fd);
}

static bool readable(curl_socket_t fd)
{
    char one;
    return recv(fd, &one, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

/* The rest of a record that was longer than the answer. */
static bool decrypted(CURL *easy)
{
    struct curl_tlssessioninfo *tls = NULL;
    return curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls != NULL &&
           tls->backend == CURLSSLBACKEND_OPENSSL && tls->internals != NULL &&
           SSL_has_pending(tls->internals) == 1;
}

/* With TLS an end is announced: what stands there is no more than a farewell. */
static bool ended(curl_socket_t fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

bool http_kept_fit(struct http_op *o, int from_port, const char *server, int port)
{
    bool fit = true, tell = false;
    long connects = 0;
    curl_easy_getinfo(o->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (connects > 0)
        return true;
    LIST_EACH(it, &o->client->kept)
    {
        struct kept *k = LIST_ENTRY(it, struct kept, node);
        if (k->port != from_port || (!readable(k->fd) && !decrypted(o->easy)))
            continue;
        fit = false;
        tell |= !ended(k->fd);
    }
    if (tell)
        LOG_EVENT(LOG_LVL_WARN, NULL, "http_surplus", log_str("server", server),
                  log_i64("port", port),
                  log_str("msg", "sent more than its answer: the connection is closed"));
    return fit;
}
