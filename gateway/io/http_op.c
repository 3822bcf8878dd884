#include "gateway/io/http_op.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"
#include "gateway/io/http_kept.h"

#define CONNECT_MS 10000u
/* libcurl allocates these for the time of a transfer, outside the budget: small where nothing large
 * is expected. One recv() or send() moves at most so much. */
#define RECV_LARGE_BYTES (128L * 1024)
#define RECV_SMALL_BYTES (16L * 1024)
#define SEND_BYTES       (64L * 1024)
#define SEND_SMALL_BYTES (16L * 1024)

static size_t fail(struct http_op *o, enum gw_err err)
{
    if (o->fault == GW_OK)
        o->fault = err;
    return 0;
}

static size_t head_complete(struct http_op *o, size_t n)
{
    long status = 0;
    curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) /* an interim answer; the real one follows */
        return n;
    o->head_done = true;
    o->res.status = (unsigned)status;
    if (o->on_head != NULL && !o->on_head(o->arg, &o->res))
        return fail(o, GW_UPSTREAM);
    return o->state == HTTP_CANCELLED ? 0 : n;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t n = size * count;
    if (o->state == HTTP_CANCELLED)
        return 0;
    if (o->head_done) /* a trailer */
        return n;
    size_t len = n;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (len == 0)
        return head_complete(o, n);
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        gw_buf_reset(&o->res.headers);
    gw_buf_put(&o->res.headers, line, len);
    gw_buf_put_u8(&o->res.headers, 0);
    return o->res.headers.failed == GW_OK ? n : fail(o, GW_UPSTREAM);
}

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t n = size * count;
    if (o->state == HTTP_CANCELLED)
        return n == 0 ? 1 : 0;
    if (o->on_body != NULL) {
        bool taken = o->on_body(o->arg, gw_span_of(data, n));
        if (o->state == HTTP_CANCELLED)
            return n == 0 ? 1 : 0;
        if (taken)
            return n;
        o->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    gw_buf_put(&o->res.body, data, n);
    return o->res.body.failed == GW_OK ? n : fail(o, o->res.body.failed);
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct http_op *o = arg;
    size_t cap = size * count, n = 0;
    if (o->state == HTTP_CANCELLED)
        return CURL_READFUNC_ABORT;
    if (o->send != NULL) {
        n = o->send(o->arg, (uint8_t *)to, cap);
        if (o->state == HTTP_CANCELLED)
            return CURL_READFUNC_ABORT;
        if (n != HTTP_SEND_PAUSE)
            return n;
        o->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    while (n < cap && o->piece < o->nbody) {
        struct gw_span s = o->body[o->piece];
        size_t part = s.len - o->piece_at;
        if (part > cap - n)
            part = cap - n;
        if (part > 0)
            memcpy(to + n, s.ptr + o->piece_at, part);
        n += part;
        o->piece_at += part;
        if (o->piece_at == s.len) {
            o->piece++;
            o->piece_at = 0;
        }
    }
    return n;
}

/* libcurl starts over when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_op *o = arg;
    if (o->send != NULL || origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    o->piece = o->piece_at = 0;
    return CURL_SEEKFUNC_OK;
}

/* Before each sending, libcurl's own repetitions included: where a kept connection ends before a
 * byte of the answer, it sends whatever it was once more. A server that has read a POST may have
 * done what it asks for: counted a login that failed, or used up a code. */
static int on_prereq(void *arg, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct http_op *o = arg;
    (void)from_ip;
    o->unfit = !http_kept_fit(o, from_port, to_ip, to_port);
    if (o->unfit)
        return CURL_PREREQFUNC_ABORT;
    o->not_again = !o->idempotent && o->sends > 0;
    if (o->not_again) {
        fail(o, GW_IO);
        return CURL_PREREQFUNC_ABORT;
    }
    o->res.repeated = o->sends++ > 0;
    return CURL_PREREQFUNC_OK;
}

static void add_header(struct http_op *o, const char *text)
{
    struct curl_slist *l = curl_slist_append(o->headers, text);
    if (l == NULL)
        o->fault = GW_NO_MEMORY;
    else
        o->headers = l;
}

static bool has_header(const struct http_req *req, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < req->nheaders; i++)
        if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':')
            return true;
    return false;
}

/* The certificate is checked against the URL's host, so that becomes the configured name; the
 * connection and the Host header keep the real one. */
static void set_url_server_name(struct http_op *o, const struct http_req *req)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL, *given_port = NULL, *url = NULL, *text = NULL;
    if (u == NULL || curl_url_set(u, CURLUPART_URL, req->url, CURLU_PATH_AS_IS) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_set(u, CURLUPART_HOST, o->client->server_name, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &url, CURLU_PATH_AS_IS) != CURLUE_OK) {
        o->fault = GW_UPSTREAM;
    } else {
        curl_easy_setopt(o->easy, CURLOPT_URL, url);
        text = mem_printf("::%s:%s", host, port);
        o->connect_to = curl_slist_append(NULL, text);
        curl_easy_setopt(o->easy, CURLOPT_CONNECT_TO, o->connect_to);
        mem_free(text);
        bool shown = curl_url_get(u, CURLUPART_PORT, &given_port, 0) == CURLUE_OK;
        text = mem_printf("Host: %s%s%s", host, shown ? ":" : "", shown ? given_port : "");
        if (!has_header(req, "Host"))
            add_header(o, text);
        mem_free(text);
    }
    curl_free(given_port);
    curl_free(port);
    curl_free(host);
    curl_free(url);
    curl_url_cleanup(u);
}

static void set_tls(struct http_op *o)
{
    struct http_client *hc = o->client;
    CURL *e = o->easy;
    if (hc->ca_file != NULL)
        curl_easy_setopt(e, CURLOPT_CAINFO, hc->ca_file);
    /* With a CAPATH libcurl parses the whole bundle again for every connection. */
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    if (hc->cert_file != NULL)
        curl_easy_setopt(e, CURLOPT_SSLCERT, hc->cert_file);
    if (hc->key_file != NULL)
        curl_easy_setopt(e, CURLOPT_SSLKEY, hc->key_file);
    if (hc->insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void set_transport(struct http_op *o, const struct http_req *req)
{
    CURL *e = o->easy;
    o->tls = strncmp(req->url, "http:", 5) != 0;
    curl_easy_setopt(e, CURLOPT_SHARE, o->client->share);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    /* A cancel during a name look-up must not wait for the resolver's thread. */
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     (long)(req->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE,
                     req->on_body != NULL ? RECV_LARGE_BYTES : RECV_SMALL_BYTES);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(req->connect_timeout_ms > 0 ? req->connect_timeout_ms : CONNECT_MS));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    if (req->fresh)
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    if (req->unix_socket != NULL)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, req->unix_socket);
    set_tls(o);
    if (o->client->server_name != NULL)
        set_url_server_name(o, req);
    else
        curl_easy_setopt(e, CURLOPT_URL, req->url);
}

static void set_body(struct http_op *o, const struct http_req *req)
{
    CURL *e = o->easy;
    o->idempotent = strcmp(req->method, "POST") != 0 && strcmp(req->method, "PATCH") != 0;
    bool wants_length = strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0 ||
                        strcmp(req->method, "PATCH") == 0;
    if (strcmp(req->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (req->send != NULL || req->nbody > 0 || wants_length)
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);

    curl_off_t length = 0;
    for (size_t i = 0; i < req->nbody; i++)
        length += (curl_off_t)req->body[i].len;
    if (req->send != NULL)
        length = (curl_off_t)req->send_bytes;
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, length);
    if (length != 0)
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE,
                         length > 0 && length <= SEND_SMALL_BYTES ? SEND_SMALL_BYTES : SEND_BYTES);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, o);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, o);
}

static void set_callbacks(struct http_op *o)
{
    CURL *e = o->easy;
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, o);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, http_kept_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, o->client);
    curl_easy_setopt(e, CURLOPT_PRIVATE, o);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, o->res.errtext);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, o);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, o);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, o->headers);
}

void http_op_setup(struct http_op *o, const struct http_req *req)
{
    for (size_t i = 0; i < req->nheaders; i++)
        add_header(o, req->headers[i]);
    if (!has_header(req, "Expect"))
        add_header(o, "Expect:");
    set_transport(o, req);
    set_body(o, req);
    set_callbacks(o);
}

enum gw_err http_res_err(const struct http_res *res)
{
    return res->err;
}

const char *http_res_errtext(const struct http_res *res)
{
    return res->errtext;
}

unsigned http_res_status(const struct http_res *res)
{
    return res->status;
}

struct gw_span http_res_body(const struct http_res *res)
{
    return gw_buf_span(&res->body);
}

const char *http_res_header(const struct http_res *res, const char *name)
{
    size_t n = strlen(name);
    const char *p = (const char *)res->headers.data, *end = p == NULL ? NULL : p + res->headers.len;
    while (p < end) {
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            return p + strspn(p, " \t");
        }
        p += strlen(p) + 1;
    }
    return NULL;
}

const char *http_res_line(const struct http_res *res, size_t i)
{
    const char *p = (const char *)res->headers.data, *end = p == NULL ? NULL : p + res->headers.len;
    for (size_t n = 0; p < end; p += strlen(p) + 1, n++)
        if (n == i + 1) /* behind the status line */
            return p;
    return NULL;
}

bool http_res_sent(const struct http_res *res)
{
    return res->sent;
}

bool http_res_repeated(const struct http_res *res)
{
    return res->repeated;
}
