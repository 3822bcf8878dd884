#include "tests/support/web_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/web_stub_impl.h"

struct web_stub_file *web_stub_find(struct web_stub *s, const char *name)
{
    LIST_EACH(it, &s->files)
    {
        struct web_stub_file *f = LIST_ENTRY(it, struct web_stub_file, node);
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

void web_stub_drop(struct web_stub_file *f)
{
    list_remove(&f->node);
    mem_free(f->data);
    mem_free(f);
}

void web_stub_store(struct web_stub *s, const char *name, const void *data, size_t n)
{
    struct web_stub_file *f = web_stub_find(s, name);
    if (f == NULL) {
        f = mem_zalloc(sizeof *f);
        snprintf(f->name, sizeof f->name, "%s", name);
        list_push(&s->files, &f->node);
    }
    mem_free(f->data);
    f->data = mem_alloc(n + 1);
    if (n > 0)
        memcpy(f->data, data, n);
    f->len = n;
    f->version = ++s->versions;
    f->mtime_s = 0;
}

bool web_stub_is_folder(const struct web_stub_call *k)
{
    return k->name[0] == '\0' || strcmp(k->name, "d") == 0 || strcmp(k->name, k->s->made) == 0;
}

void web_stub_make(const struct web_stub_call *k)
{
    snprintf(k->s->made, sizeof k->s->made, "%s", k->name);
}

bool web_stub_status(const struct web_stub_call *k, unsigned code)
{
    if (k->mute)
        return false;
    const char *text = k->fault == WEB_STUB_STATUS && k->text != NULL ? k->text : "";
    return http_stub_reply(k->c, code, "", text, strlen(text));
}

size_t web_stub_kept(const struct web_stub_call *k)
{
    size_t n = k->r->body_len;
    return k->fault == WEB_STUB_KEEP && k->value < n ? k->value : n;
}

/* The bytes that an answer is made of. */
struct piece {
    size_t size, first, len;
    bool ranged;
};

static struct piece piece_of(const struct web_stub_call *k, size_t size, size_t from)
{
    char range[64] = "";
    struct piece p = {.size = size, .first = from};
    bool whole = k->fault == WEB_STUB_NO_RANGE || k->fault == WEB_STUB_NO_OFFSET;
    if (k->fault == WEB_STUB_NO_OFFSET)
        p.first = 0;
    p.len = p.first < size ? size - p.first : 0;
    if (whole || !http_stub_header(k->r, "Range", range, sizeof range))
        return p;
    char *end;
    p.ranged = true;
    p.first = strtoul(range + strlen("bytes="), &end, 10);
    size_t last = *end == '-' ? strtoul(end + 1, NULL, 10) : SIZE_MAX;
    last = last < size ? last : size - 1;
    if (k->fault == WEB_STUB_OTHER_RANGE)
        p.first++;
    if (k->fault == WEB_STUB_SHORT)
        last = p.first + (last - p.first) / 2;
    p.len = size > 0 && p.first <= last ? last + 1 - p.first : 0;
    return p;
}

static bool send_piece(const struct web_stub_call *k, const struct piece *p, const char *etag,
                       const uint8_t *data)
{
    size_t said = k->fault == WEB_STUB_LONG ? p->len / 2 : p->len;
    bool stops = k->fault == WEB_STUB_TRUNCATE || k->fault == WEB_STUB_STALL;
    size_t sent = stops ? p->len / 2 : p->len;
    char range[128] = "";
    if (k->fault == WEB_STUB_NO_SIZE) {
        http_stub_text(k->c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
        return false;
    }
    if (p->ranged)
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", p->first,
                 p->first + p->len - 1, p->size + (k->fault == WEB_STUB_OTHER_SIZE));
    bool ok = http_stub_text(k->c, "HTTP/1.1 %s\r\nETag: %s\r\nContent-Length: %zu\r\n%s\r\n",
                             p->ranged ? "206 Partial" : "200 OK", etag, said, range) &&
              http_stub_send(k->c, data + p->first, sent);
    if (ok && k->fault == WEB_STUB_STALL)
        http_stub_pause(k->c, 4000); /* longer than a client waits here */
    return ok && sent == p->len;
}

bool web_stub_get(const struct web_stub_call *k, size_t from)
{
    char match[64] = "", etag[32];
    http_stub_header(k->r, "If-Match", match, sizeof match);
    pthread_mutex_lock(&k->s->lock);
    const struct web_stub_file *f = web_stub_find(k->s, k->name);
    if (f == NULL) {
        pthread_mutex_unlock(&k->s->lock);
        return web_stub_status(k, 404);
    }
    const struct piece p = piece_of(k, f->len, from);
    uint8_t *data = mem_alloc(f->len + 1);
    memcpy(data, f->data, f->len);
    snprintf(etag, sizeof etag, "\"v%u%s\"", f->version,
             k->fault == WEB_STUB_OTHER_ETAG ? "x" : "");
    pthread_mutex_unlock(&k->s->lock);
    bool other = match[0] != '\0' && strcmp(match, etag) != 0 && k->fault == WEB_STUB_NONE;
    bool behind = p.ranged && p.first >= p.size;
    bool ok =
        other || behind ? web_stub_status(k, other ? 412 : 416) : send_piece(k, &p, etag, data);
    mem_free(data);
    return ok;
}

/* ---- a request ---- */

static void count(struct web_stub *s, const char *word)
{
    s->requests++;
    for (size_t i = 0; i < WEB_STUB_WORDS; i++) {
        if (s->words[i][0] == '\0')
            snprintf(s->words[i], sizeof s->words[i], "%s", word);
        if (strcmp(s->words[i], word) == 0) {
            s->counts[i]++;
            return;
        }
    }
}

static bool before_the_body(enum web_stub_fault fault)
{
    return fault == WEB_STUB_CUT_REQUEST || fault == WEB_STUB_EARLY ||
           fault == WEB_STUB_EARLY_CLOSE || fault == WEB_STUB_EARLY_RESET;
}

/* Which file and what about it, and the fault that it is to meet now. */
static void decode(struct web_stub *s, struct http_stub_conn *c, const struct http_stub_req *r,
                   bool early, struct web_stub_call *k)
{
    *k = (struct web_stub_call){.s = s, .c = c, .r = r};
    if (!web_stub_httpfs_decode(k)) {
        snprintf(k->word, sizeof k->word, "%s", r->method);
        web_stub_dav_name(r->target, k->name);
    }
    pthread_mutex_lock(&s->lock);
    if (early) {
        count(s, k->word);
        snprintf(s->head, sizeof s->head, "%s", r->head);
    }
    bool meets = s->times > 0 && (s->word[0] == '\0' || strcmp(s->word, k->word) == 0) &&
                 before_the_body(s->fault) == early;
    if (meets && s->skip > 0) {
        s->skip--;
    } else if (meets) {
        s->times--;
        k->fault = s->fault;
        k->value = s->value;
        k->text = s->text;
    }
    pthread_mutex_unlock(&s->lock);
}

static size_t before_body(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    struct web_stub_call k;
    decode(arg, c, r, true, &k);
    switch (k.fault) {
    case WEB_STUB_CUT_REQUEST:
        return 10;
    case WEB_STUB_EARLY:
        return http_stub_reply(c, k.value, "", "", 0) ? HTTP_STUB_ANSWERED : 0;
    case WEB_STUB_EARLY_CLOSE:
        return http_stub_reply(c, k.value, "Connection: close\r\n", "", 0) ? HTTP_STUB_LINGER : 0;
    case WEB_STUB_EARLY_RESET:
        (void)http_stub_reply(c, k.value, "Connection: close\r\n", "", 0);
        return 10;
    default:
        return HTTP_STUB_ALL;
    }
}

static bool act(const struct web_stub_call *k)
{
    return k->httpfs ? web_stub_httpfs(k) : web_stub_dav(k);
}

static bool serve(void *arg, struct http_stub_conn *c, const struct http_stub_req *r)
{
    struct web_stub_call k;
    decode(arg, c, r, false, &k);
    char line[512];
    switch (k.fault) {
    case WEB_STUB_STATUS:
        return web_stub_status(&k, k.value);
    case WEB_STUB_REDIRECT:
        snprintf(line, sizeof line, "Location: %s\r\n", k.text);
        return http_stub_reply(c, 302, line, "", 0);
    case WEB_STUB_TEXT:
        return http_stub_reply(c, k.httpfs ? 200 : 207, "", k.text, strlen(k.text));
    case WEB_STUB_MANY:
        return k.httpfs ? web_stub_httpfs_many(&k) : web_stub_dav_many(&k);
    case WEB_STUB_HANG:
        http_stub_pause(c, 4000); /* longer than a client waits here */
        return false;
    case WEB_STUB_LOSE:
        return false;
    case WEB_STUB_LOSE_ANSWER:
        k.mute = true;
        (void)act(&k);
        return false;
    default:
        return act(&k);
    }
}

struct web_stub *web_stub_start(void)
{
    struct web_stub *s = mem_zalloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->files);
    s->http = http_stub_start(serve, before_body, s);
    return s;
}

void web_stub_stop(struct web_stub **sp)
{
    struct web_stub *s = *sp;
    *sp = NULL;
    http_stub_stop(&s->http);
    while (!list_empty(&s->files))
        web_stub_drop(LIST_ENTRY(list_first(&s->files), struct web_stub_file, node));
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

unsigned web_stub_port(const struct web_stub *s)
{
    return http_stub_port(s->http);
}

void web_stub_fail(struct web_stub *s, enum web_stub_fault fault, const char *word, unsigned skip,
                   unsigned times, unsigned value, const char *text)
{
    http_stub_settle(s->http); /* what was cancelled is not to meet it */
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    snprintf(s->word, sizeof s->word, "%s", word != NULL ? word : "");
    s->skip = skip;
    s->times = times;
    s->value = value;
    s->text = text;
    pthread_mutex_unlock(&s->lock);
}

void web_stub_no_folder(struct web_stub *s)
{
    pthread_mutex_lock(&s->lock);
    s->made[0] = '\0';
    pthread_mutex_unlock(&s->lock);
}

void web_stub_wants_length(struct web_stub *s, bool on)
{
    pthread_mutex_lock(&s->lock);
    s->wants_length = on;
    pthread_mutex_unlock(&s->lock);
}

void web_stub_keeps_times(struct web_stub *s, enum web_stub_times how)
{
    pthread_mutex_lock(&s->lock);
    s->times_kept = how;
    pthread_mutex_unlock(&s->lock);
}

int64_t web_stub_file(struct web_stub *s, const char *name, const uint8_t **data)
{
    pthread_mutex_lock(&s->lock);
    const struct web_stub_file *f = web_stub_find(s, name);
    int64_t size = f != NULL ? (int64_t)f->len : -1;
    if (f != NULL && data != NULL)
        *data = f->data;
    pthread_mutex_unlock(&s->lock);
    return size;
}

void web_stub_put(struct web_stub *s, const char *name, const void *data, size_t n)
{
    pthread_mutex_lock(&s->lock);
    web_stub_store(s, name, data, n);
    pthread_mutex_unlock(&s->lock);
}

size_t web_stub_files(struct web_stub *s)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    LIST_EACH(it, &s->files)
    n++;
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned web_stub_requests(struct web_stub *s, const char *word)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = word == NULL ? s->requests : 0;
    for (size_t i = 0; word != NULL && i < WEB_STUB_WORDS; i++)
        if (strcmp(s->words[i], word) == 0)
            n = s->counts[i];
    pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned web_stub_written(struct web_stub *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->written;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool web_stub_header(struct web_stub *s, const char *name, char *out, size_t cap)
{
    pthread_mutex_lock(&s->lock);
    const struct http_stub_req r = {.head = s->head};
    bool there = http_stub_header(&r, name, out, cap);
    pthread_mutex_unlock(&s->lock);
    return there;
}
