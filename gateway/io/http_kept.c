#include "gateway/io/http_kept.h"

#include <sys/socket.h>

#include "gateway/base/log.h"

#define FIRST_THAT_LOOKS 0x080000u
/* More is not read: the next request then finds the connection shut, and libcurl makes another. */
#define SURPLUS_READS 16

void http_kept_look(CURL *easy, curl_socket_t fd)
{
    struct http_op *o = NULL;
    char some[4096];
    if (curl_version_info(CURLVERSION_NOW)->version_num >= FIRST_THAT_LOOKS ||
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&o) != CURLE_OK || o == NULL || o->tls ||
        o->recv_paused || o->state != HTTP_RUNNING || o->fault != GW_OK)
        return;
    if (recv(fd, some, sizeof some, MSG_DONTWAIT | MSG_PEEK) <= 0)
        return;
    for (int i = 0; i < SURPLUS_READS && recv(fd, some, sizeof some, MSG_DONTWAIT) > 0; i++)
        ;
    (void)shutdown(fd, SHUT_RDWR);
    o->surplus = true;
}

void http_kept_tell(struct http_op *o)
{
    char *server = NULL;
    long port = 0;
    if (!o->surplus)
        return;
    (void)curl_easy_getinfo(o->easy, CURLINFO_PRIMARY_IP, &server);
    (void)curl_easy_getinfo(o->easy, CURLINFO_PRIMARY_PORT, &port);
    LOG_EVENT(LOG_LVL_WARN, NULL, "http_surplus", log_str("server", server), log_i64("port", port),
              log_str("msg", "sent more than its answer's length: the connection is closed"));
}
