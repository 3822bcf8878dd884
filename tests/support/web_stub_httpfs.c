#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/percent.h"
#include "tests/support/web_stub_impl.h"

#define MODE_DIR  0x80000000u
#define FLAG_EXCL 128u

/* "/fs/stat/%2Ff?x=y": the call is its word. */
bool web_stub_httpfs_decode(struct web_stub_call *k)
{
    const char *p = k->r->target;
    struct gw_buf name;
    if (strncmp(p, "/fs/", 4) != 0)
        return false;
    p += 4;
    k->httpfs = true;
    snprintf(k->word, sizeof k->word, "%.*s", (int)strcspn(p, "/?"), p);
    p += strcspn(p, "/?");
    gw_buf_init(&name, WEB_STUB_NAME_MAX - 1);
    (void)percent_decode(gw_span_of(p, strcspn(p, "?")), &name);
    const char *text = gw_buf_cstr(&name);
    snprintf(k->name, sizeof k->name, "%s", text + strspn(text, "/"));
    size_t n = strlen(k->name);
    if (n > 0 && k->name[n - 1] == '/')
        k->name[n - 1] = '\0';
    gw_buf_free(&name);
    return true;
}

/* A parameter of the query, as it stands; NULL = absent. */
static const char *parameter(const struct web_stub_call *k, const char *key)
{
    const char *p = strchr(k->r->target, '?');
    size_t n = strlen(key);
    for (; p != NULL; p = strchr(p + 1, '&'))
        if (strncmp(p + 1, key, n) == 0 && p[1 + n] == '=')
            return p + n + 2;
    return NULL;
}

static size_t number(const struct web_stub_call *k, const char *key)
{
    const char *p = parameter(k, key);
    return p != NULL ? strtoul(p, NULL, 10) : 0;
}

static bool reply(const struct web_stub_call *k, json_t *value)
{
    char *text = json_dumps(value, 0);
    bool ok = http_stub_reply(k->c, 200, "Content-Type: application/json\r\n", text, strlen(text));
    free(text);
    json_decref(value);
    return ok;
}

static json_t *info(const char *name, const struct web_stub_file *f)
{
    return json_pack("{ss sI sI ss}", "name", name, "size", (json_int_t)(f != NULL ? f->len : 0),
                     "mode", (json_int_t)(f != NULL ? 0640 : MODE_DIR | 0750), "last_modified",
                     "2026-11-22T13:57:59Z");
}

static bool look(const struct web_stub_call *k)
{
    const struct web_stub_file *f = web_stub_find(k->s, k->name);
    if (f == NULL && !web_stub_is_folder(k))
        return web_stub_status(k, 404);
    return reply(k, info(k->name, f));
}

static bool list(const struct web_stub_call *k)
{
    if (!web_stub_is_folder(k))
        return web_stub_status(k, 404);
    json_t *all = json_array();
    LIST_EACH(it, &k->s->files)
    {
        const struct web_stub_file *f = LIST_ENTRY(it, struct web_stub_file, node);
        if (k->name[0] == '\0')
            json_array_append_new(all, info(f->name, f));
    }
    if (k->name[0] == '\0')
        json_array_append_new(all, info("d", NULL));
    return reply(k, all);
}

static bool create(const struct web_stub_call *k)
{
    char encoding[16];
    if (k->s->wants_length &&
        http_stub_header(k->r, "Transfer-Encoding", encoding, sizeof encoding))
        return web_stub_status(k, 411);
    if ((number(k, "flags") & FLAG_EXCL) && web_stub_find(k->s, k->name) != NULL)
        return web_stub_status(k, 409);
    web_stub_store(k->s, k->name, k->r->body, web_stub_kept(k));
    return web_stub_status(k, 201);
}

static bool rename_it(const struct web_stub_call *k)
{
    struct gw_buf to;
    const char *target = parameter(k, "target");
    struct web_stub_file *f = web_stub_find(k->s, k->name);
    if (f == NULL || target == NULL)
        return web_stub_status(k, 404);
    gw_buf_init(&to, WEB_STUB_NAME_MAX - 1);
    (void)percent_decode(gw_span_of(target, strcspn(target, "&")), &to);
    const char *name = gw_buf_cstr(&to);
    web_stub_store(k->s, name + strspn(name, "/"), f->data, f->len);
    web_stub_drop(f);
    gw_buf_free(&to);
    return web_stub_status(k, 200);
}

static bool remove_it(const struct web_stub_call *k)
{
    struct web_stub_file *f = web_stub_find(k->s, k->name);
    if (f == NULL && !web_stub_is_folder(k))
        return web_stub_status(k, 404);
    if (f != NULL)
        web_stub_drop(f);
    return web_stub_status(k, 200);
}

static bool mkdir_it(const struct web_stub_call *k)
{
    if (web_stub_find(k->s, k->name) != NULL || web_stub_is_folder(k))
        return web_stub_status(k, 409);
    web_stub_make(k);
    return web_stub_status(k, 201);
}

static bool set(const struct web_stub_call *k)
{
    bool there = web_stub_find(k->s, k->name) != NULL || web_stub_is_folder(k);
    return web_stub_status(k, there ? 200 : 404);
}

static bool space(const struct web_stub_call *k)
{
    return reply(k, json_pack("{si si si si si si si si si si}", "bsize", 4096, "frsize", 4096,
                              "blocks", 1000, "bfree", 500, "bavail", 400, "files", 100, "ffree",
                              90, "favail", 80, "flag", 0, "namemax", 255));
}

bool web_stub_httpfs(const struct web_stub_call *k)
{
    static const struct {
        const char *method, *word;
        bool (*act)(const struct web_stub_call *k);
    } rows[] = {
        {"GET", "stat", look},           {"GET", "readdir", list},
        {"GET", "statvfs", space},       {"POST", "create", create},
        {"POST", "mkdir", mkdir_it},     {"PATCH", "rename", rename_it},
        {"DELETE", "remove", remove_it}, {"PATCH", "chmod", set},
        {"PATCH", "chtimes", set},
    };
    if (strcmp(k->word, "open") == 0 && strcmp(k->r->method, "GET") == 0)
        return web_stub_get(k, number(k, "offset"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].word, k->word) != 0 || strcmp(rows[i].method, k->r->method) != 0)
            continue;
        pthread_mutex_lock(&k->s->lock);
        bool ok = rows[i].act(k);
        pthread_mutex_unlock(&k->s->lock);
        return ok;
    }
    return web_stub_status(k, 501);
}

bool web_stub_httpfs_many(const struct web_stub_call *k)
{
    bool ok = http_stub_text(k->c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[");
    for (unsigned i = 0; ok && i < k->value; i++) {
        ok = http_stub_text(k->c, "%s{\"name\":\"file%06u\",\"size\":1,\"mode\":420}",
                            i == 0 ? "" : ",", i);
        pthread_mutex_lock(&k->s->lock);
        k->s->written = i + 1;
        pthread_mutex_unlock(&k->s->lock);
        if (i < 1000 && i % 100 == 99)
            http_stub_pause(k->c, 20);
    }
    (void)(ok && http_stub_text(k->c, "]"));
    return false;
}
