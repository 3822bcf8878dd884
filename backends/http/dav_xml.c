#include "backends/http/dav_xml.h"

#include <expat.h>
#include <string.h>

#include "backends/remote_meta.h"
#include "gateway/base/mem.h"

#define DEPTH_MAX 24u
/* One text: a path of 4,096 bytes, each percent-encoded, and a host. */
#define TEXT_MAX (16u << 10)
/* All that expat keeps: it remembers every element's name and holds a tag until it is whole. */
#define MEMORY_MAX ((size_t)2 << 20)

enum field {
    FIELD_NONE,
    FIELD_HREF,
    FIELD_STATUS,
    FIELD_SIZE,
    FIELD_TIME,
    FIELD_ETAG,
    FIELD_AVAILABLE,
    FIELD_USED,
};

struct dav_xml {
    XML_Parser parser;
    size_t memory;
    dav_xml_fn *fn;
    void *arg;
    enum gw_err err;
    unsigned depth;
    bool in_response, in_propstat, in_prop, in_type;
    enum field field;
    unsigned field_depth;
    struct gw_buf text, href, etag, prop_etag;
    struct dav_item item, props; /* props: of the propstat that is open */
    unsigned propstat_status;
};

/* expat's memory functions know no parser: this is the one that runs on the thread. */
static _Thread_local struct dav_xml *current;

union head {
    size_t size;
    max_align_t align;
};

static bool grow(size_t more)
{
    if (current == NULL || more > MEMORY_MAX || current->memory > MEMORY_MAX - more)
        return false;
    current->memory += more;
    return true;
}

static void *xml_alloc(size_t n)
{
    if (!grow(n))
        return NULL;
    union head *h = mem_try_alloc(sizeof *h + n);
    if (h == NULL) {
        current->memory -= n;
        return NULL;
    }
    h->size = n;
    return h + 1;
}

static void xml_free(void *p)
{
    if (p == NULL)
        return;
    union head *h = (union head *)p - 1;
    current->memory -= h->size;
    mem_free(h);
}

static void *xml_realloc(void *p, size_t n)
{
    if (p == NULL)
        return xml_alloc(n);
    union head *h = (union head *)p - 1;
    size_t old = h->size;
    if (n > old && !grow(n - old))
        return NULL;
    h = mem_try_realloc(h, sizeof *h + n);
    if (h == NULL) {
        current->memory -= n > old ? n - old : 0;
        return NULL;
    }
    if (n < old)
        current->memory -= old - n;
    h->size = n;
    return h + 1;
}

static void stop(struct dav_xml *x, enum gw_err err)
{
    if (x->err == GW_OK)
        x->err = err;
    XML_StopParser(x->parser, XML_FALSE);
}

/* "DAV: name" without its namespace; NULL = of another one. */
static const char *dav_name(const char *name)
{
    static const char ns[] = "DAV: ";
    return strncmp(name, ns, sizeof ns - 1) == 0 ? name + sizeof ns - 1 : NULL;
}

static const struct {
    const char *name;
    enum field field;
} properties[] = {
    {"getcontentlength", FIELD_SIZE}, {"getlastmodified", FIELD_TIME},
    {"getetag", FIELD_ETAG},          {"quota-available-bytes", FIELD_AVAILABLE},
    {"quota-used-bytes", FIELD_USED},
};

static void open_field(struct dav_xml *x, enum field field)
{
    x->field = field;
    x->field_depth = x->depth;
    gw_buf_reset(&x->text);
}

static void begin_response(struct dav_xml *x)
{
    x->in_response = true;
    x->item = (struct dav_item){0};
    gw_buf_reset(&x->href);
    gw_buf_reset(&x->etag);
}

static void begin_propstat(struct dav_xml *x)
{
    x->in_propstat = true;
    x->props = (struct dav_item){0};
    x->propstat_status = 0;
    gw_buf_reset(&x->prop_etag);
}

/* Levels: multistatus 1, response 2, href, status and propstat 3, prop and its status 4, a property
 * 5, a type in resourcetype 6. */
static void on_start(void *arg, const char *qname, const char **attrs)
{
    (void)attrs;
    struct dav_xml *x = arg;
    const char *name = dav_name(qname);
    if (++x->depth > DEPTH_MAX || (x->depth == 1 && (!name || strcmp(name, "multistatus") != 0))) {
        stop(x, GW_BAD_MESSAGE);
        return;
    }
    if (name == NULL)
        return;
    if (x->depth == 2 && strcmp(name, "response") == 0) {
        begin_response(x);
    } else if (x->depth == 3 && x->in_response) {
        if (strcmp(name, "href") == 0 && x->href.len == 0)
            open_field(x, FIELD_HREF);
        else if (strcmp(name, "status") == 0)
            open_field(x, FIELD_STATUS);
        else if (strcmp(name, "propstat") == 0)
            begin_propstat(x);
    } else if (x->depth == 4 && x->in_propstat) {
        x->in_prop = strcmp(name, "prop") == 0;
        if (strcmp(name, "status") == 0)
            open_field(x, FIELD_STATUS);
    } else if (x->depth == 5 && x->in_prop) {
        x->in_type = strcmp(name, "resourcetype") == 0;
        for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
            if (strcmp(name, properties[i].name) == 0)
                open_field(x, properties[i].field);
    } else if (x->depth == 6 && x->in_type && strcmp(name, "collection") == 0) {
        x->props.dir = true;
    }
}

static void on_text(void *arg, const char *s, int len)
{
    struct dav_xml *x = arg;
    if (x->field == FIELD_NONE || x->depth != x->field_depth)
        return;
    gw_buf_put(&x->text, s, (size_t)len);
    if (x->text.failed != GW_OK)
        stop(x, x->text.failed == GW_NO_MEMORY ? GW_NO_MEMORY : GW_BAD_MESSAGE);
}

/* The text without the blanks that a server's layout puts around it. */
static const char *trimmed(struct dav_xml *x)
{
    static const char blanks[] = " \t\r\n";
    while (x->text.len > 0 && strchr(blanks, x->text.data[x->text.len - 1]) != NULL)
        x->text.len--;
    const char *s = gw_buf_cstr(&x->text);
    return s + strspn(s, blanks);
}

static void take(struct gw_buf *to, const char *s)
{
    gw_buf_reset(to);
    gw_buf_put_text(to, s);
}

/* "HTTP/1.1 404 Not Found"; 0 = none. */
static unsigned status_of(const char *line)
{
    const char *p = strchr(line, ' ');
    unsigned v = 0;
    for (unsigned i = 1; p != NULL && i <= 3; i++) {
        if (p[i] < '0' || p[i] > '9')
            return 0;
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    return v;
}

static void close_field(struct dav_xml *x)
{
    const char *s = trimmed(x);
    struct dav_item *p = &x->props;
    switch (x->field) {
    case FIELD_HREF:
        take(&x->href, s);
        break;
    case FIELD_STATUS:
        if (x->in_propstat)
            x->propstat_status = status_of(s);
        else
            x->item.status = status_of(s);
        break;
    case FIELD_SIZE:
        p->has_size = remote_meta_number(s, &p->size);
        break;
    case FIELD_TIME:
        if (!remote_meta_http_date(s, &p->mtime_s))
            p->mtime_s = 0;
        break;
    case FIELD_ETAG:
        take(&x->prop_etag, s);
        break;
    case FIELD_AVAILABLE:
        p->has_available = remote_meta_number(s, &p->available);
        break;
    default:
        p->has_used = remote_meta_number(s, &p->used);
        break;
    }
    x->field = FIELD_NONE;
}

static void end_propstat(struct dav_xml *x)
{
    x->in_propstat = x->in_prop = x->in_type = false;
    struct dav_item *to = &x->item;
    const struct dav_item *p = &x->props;
    if (x->propstat_status / 100 != 2) {
        to->refused = x->propstat_status;
        return;
    }
    to->dir |= p->dir;
    if (p->has_size) {
        to->has_size = true;
        to->size = p->size;
    }
    if (p->mtime_s != 0)
        to->mtime_s = p->mtime_s;
    if (p->has_available) {
        to->has_available = true;
        to->available = p->available;
    }
    if (p->has_used) {
        to->has_used = true;
        to->used = p->used;
    }
    if (x->prop_etag.len > 0)
        take(&x->etag, gw_buf_cstr(&x->prop_etag));
}

static void end_response(struct dav_xml *x)
{
    x->in_response = false;
    x->item.href = gw_buf_cstr(&x->href);
    x->item.etag = gw_buf_cstr(&x->etag);
    if (x->href.failed != GW_OK || x->etag.failed != GW_OK || x->href.len == 0)
        stop(x, GW_BAD_MESSAGE);
    else if (!x->fn(x->arg, &x->item))
        stop(x, GW_UPSTREAM);
}

static void on_end(void *arg, const char *qname)
{
    (void)qname;
    struct dav_xml *x = arg;
    if (x->err != GW_OK)
        return;
    if (x->field != FIELD_NONE && x->depth == x->field_depth)
        close_field(x);
    if (x->depth == 5)
        x->in_type = false;
    else if (x->depth == 4)
        x->in_prop = false;
    else if (x->depth == 3 && x->in_propstat)
        end_propstat(x);
    else if (x->depth == 2 && x->in_response)
        end_response(x);
    x->depth--;
}

/* A document type is the door to entities: no multistatus has one. */
static void on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
                       int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    stop(arg, GW_BAD_MESSAGE);
}

struct dav_xml *dav_xml_new(dav_xml_fn *fn, void *arg)
{
    static const XML_Memory_Handling_Suite suite = {xml_alloc, xml_realloc, xml_free};
    struct dav_xml *x = mem_zalloc(sizeof *x);
    x->fn = fn;
    x->arg = arg;
    gw_buf_init(&x->text, TEXT_MAX);
    gw_buf_init(&x->href, TEXT_MAX);
    gw_buf_init(&x->etag, TEXT_MAX);
    gw_buf_init(&x->prop_etag, TEXT_MAX);
    current = x;
    x->parser = XML_ParserCreate_MM(NULL, &suite, " ");
    if (x->parser != NULL) {
        XML_SetUserData(x->parser, x);
        XML_SetElementHandler(x->parser, on_start, on_end);
        XML_SetCharacterDataHandler(x->parser, on_text);
        XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    }
    current = NULL;
    if (x->parser == NULL)
        dav_xml_free(&x);
    return x;
}

void dav_xml_free(struct dav_xml **xp)
{
    struct dav_xml *x = *xp;
    *xp = NULL;
    if (x == NULL)
        return;
    current = x;
    if (x->parser != NULL)
        XML_ParserFree(x->parser);
    current = NULL;
    gw_buf_free(&x->text);
    gw_buf_free(&x->href);
    gw_buf_free(&x->etag);
    gw_buf_free(&x->prop_etag);
    mem_free(x);
}

static enum gw_err parse(struct dav_xml *x, const void *p, size_t n, bool last)
{
    if (x->err != GW_OK)
        return x->err;
    if (n > INT32_MAX)
        return x->err = GW_BAD_MESSAGE;
    current = x;
    enum XML_Status rc = XML_Parse(x->parser, p, (int)n, last);
    current = NULL;
    if (rc != XML_STATUS_OK && x->err == GW_OK)
        x->err = GW_BAD_MESSAGE; /* the bound of its memory as well */
    return x->err;
}

enum gw_err dav_xml_feed(struct dav_xml *x, struct gw_span part)
{
    return part.len == 0 ? x->err : parse(x, part.ptr, part.len, false);
}

enum gw_err dav_xml_end(struct dav_xml *x)
{
    return parse(x, "", 0, true);
}
