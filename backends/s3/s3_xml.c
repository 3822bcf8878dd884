#include "backends/s3/s3_xml.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/rfc3339.h"

#define DEPTH_MAX 8u
/* One text: a key of 1,024 bytes, each percent-encoded, and room for a server's own tokens. */
#define TEXT_MAX  (16u << 10)
#define ITEMS_MAX 10000u

enum field {
    FIELD_NONE,
    FIELD_TRUNCATED,
    FIELD_TOKEN,
    FIELD_TOKEN_KEY, /* a key: decoded as the items' are */
    FIELD_ID_MARKER,
    FIELD_HEAD_ID,
    FIELD_HEAD_ETAG,
    FIELD_HEAD_TIME,
    FIELD_KEY,
    FIELD_PREFIX,
    FIELD_ETAG,
    FIELD_ITEM_ID,
    FIELD_SIZE,
    FIELD_NUMBER,
    FIELD_TIME,
    FIELD_ERR_CODE,
    FIELD_ERR_MESSAGE,
    FIELD_ERR_REQUEST,
    FIELD_ERR_REGION,
    FIELD_ERR_TIME,
};

struct leaf {
    const char *parent; /* NULL = the root */
    const char *name;
    enum field field;
};

struct form {
    const char *root;
    const char *item, *item2; /* elements below the root that are items; NULL = none */
    struct leaf leaves[8];    /* ended by a row without a name */
};

static const struct form forms[] = {
    [S3_XML_LIST] = {"ListBucketResult",
                     "Contents",
                     "CommonPrefixes",
                     {{NULL, "IsTruncated", FIELD_TRUNCATED},
                      {NULL, "NextContinuationToken", FIELD_TOKEN},
                      {"Contents", "Key", FIELD_KEY},
                      {"Contents", "Size", FIELD_SIZE},
                      {"Contents", "ETag", FIELD_ETAG},
                      {"Contents", "LastModified", FIELD_TIME},
                      {"CommonPrefixes", "Prefix", FIELD_PREFIX}}},
    [S3_XML_UPLOADS] = {"ListMultipartUploadsResult",
                        "Upload",
                        NULL,
                        {{NULL, "IsTruncated", FIELD_TRUNCATED},
                         {NULL, "NextKeyMarker", FIELD_TOKEN_KEY},
                         {NULL, "NextUploadIdMarker", FIELD_ID_MARKER},
                         {"Upload", "Key", FIELD_KEY},
                         {"Upload", "UploadId", FIELD_ITEM_ID},
                         {"Upload", "Initiated", FIELD_TIME}}},
    [S3_XML_PARTS] = {"ListPartsResult",
                      "Part",
                      NULL,
                      {{NULL, "IsTruncated", FIELD_TRUNCATED},
                       {NULL, "NextPartNumberMarker", FIELD_TOKEN},
                       {"Part", "PartNumber", FIELD_NUMBER},
                       {"Part", "ETag", FIELD_ETAG},
                       {"Part", "Size", FIELD_SIZE},
                       {"Part", "LastModified", FIELD_TIME}}},
    [S3_XML_INITIATE] = {"InitiateMultipartUploadResult",
                         NULL,
                         NULL,
                         {{NULL, "UploadId", FIELD_HEAD_ID}}},
    [S3_XML_COMPLETE] = {"CompleteMultipartUploadResult",
                         NULL,
                         NULL,
                         {{NULL, "ETag", FIELD_HEAD_ETAG}}},
    [S3_XML_COPY] = {"CopyObjectResult",
                     NULL,
                     NULL,
                     {{NULL, "ETag", FIELD_HEAD_ETAG}, {NULL, "LastModified", FIELD_HEAD_TIME}}},
    [S3_XML_COPY_PART] = {"CopyPartResult",
                          NULL,
                          NULL,
                          {{NULL, "ETag", FIELD_HEAD_ETAG},
                           {NULL, "LastModified", FIELD_HEAD_TIME}}},
};

static const struct form error_form = {"Error",
                                       NULL,
                                       NULL,
                                       {{NULL, "Code", FIELD_ERR_CODE},
                                        {NULL, "Message", FIELD_ERR_MESSAGE},
                                        {NULL, "RequestId", FIELD_ERR_REQUEST},
                                        {NULL, "Region", FIELD_ERR_REGION},
                                        {NULL, "ServerTime", FIELD_ERR_TIME}}};

struct parse {
    XML_Parser parser;
    const struct form *form;
    enum gw_err err;
    size_t depth;
    char parent[32]; /* the open element at depth 2 */
    enum field field;
    bool in_item, url; /* url: keys are percent-encoded */
    bool mended;       /* the body held references that XML does not have */
    struct gw_buf text;
    struct gw_buf key, etag, id; /* of the item that is open */
    struct s3_xml_item item;
    size_t items;
    s3_xml_item_fn *fn;
    void *arg;
    struct s3_xml_head *head;
    struct s3_xml_error *error;
};

static void stop(struct parse *p, enum gw_err err)
{
    if (p->err == GW_OK)
        p->err = err;
    XML_StopParser(p->parser, XML_FALSE);
}

/* "{prefix}:Name" without its prefix: S3 uses one namespace, servers disagree on how. */
static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

static bool same(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static enum field field_of(const struct parse *p, const char *name)
{
    const char *parent = p->depth == 2 ? NULL : p->parent;
    if (p->depth != 2 && p->depth != 3)
        return FIELD_NONE;
    for (size_t i = 0; i < sizeof p->form->leaves / sizeof p->form->leaves[0]; i++) {
        const struct leaf *l = &p->form->leaves[i];
        if (l->name == NULL)
            break;
        if ((l->parent == NULL) == (parent == NULL) &&
            (parent == NULL || strcmp(l->parent, parent) == 0) && strcmp(l->name, name) == 0)
            return l->field;
    }
    return FIELD_NONE;
}

static void on_start(void *arg, const char *qname, const char **attrs)
{
    (void)attrs;
    struct parse *p = arg;
    const char *name = local(qname);
    p->depth++;
    gw_buf_reset(&p->text);
    if (p->depth > DEPTH_MAX) {
        stop(p, GW_BAD_MESSAGE);
        return;
    }
    if (p->depth == 1) {
        if (strcmp(name, p->form->root) != 0)
            stop(p, GW_NOT_FOUND);
        return;
    }
    p->field = field_of(p, name);
    if (p->depth != 2)
        return;
    snprintf(p->parent, sizeof p->parent, "%s", name);
    p->in_item = same(p->form->item, name) || same(p->form->item2, name);
    if (p->in_item) {
        p->item = (struct s3_xml_item){0};
        gw_buf_reset(&p->key);
        gw_buf_reset(&p->etag);
        gw_buf_reset(&p->id);
        if (++p->items > ITEMS_MAX)
            stop(p, GW_BAD_MESSAGE);
    }
}

static void on_text(void *arg, const char *s, int len)
{
    struct parse *p = arg;
    if (p->field == FIELD_NONE)
        return;
    gw_buf_put(&p->text, s, (size_t)len);
    if (p->text.failed != GW_OK)
        stop(p, p->text.failed == GW_NO_MEMORY ? GW_NO_MEMORY : GW_BAD_MESSAGE);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * radosgw writes a control character of a key that it echoes (the prefix, the token) as "&#x01;",
 * which XML 1.0 does not have. In a copy of the body such a reference becomes U+E001, and so on;
 * unmend() turns a token back. GW_OK without a copy where there is none.
 */
static enum gw_err mend(struct gw_span body, struct gw_buf *out)
{
    static const char mark[] = "&#x";
    size_t taken = 0;
    for (size_t i = 0; i + 6 <= body.len; i++) {
        const uint8_t *at = body.ptr + i;
        if (at[0] != '&' || memcmp(at, mark, 3) != 0 || at[5] != ';')
            continue;
        int high = hex((char)at[3]);
        int low = hex((char)at[4]);
        if (high < 0 || high > 1 || low < 0)
            continue;
        const uint8_t stand_in[] = {0xee, 0x80, (uint8_t)(0x80 + high * 16 + low)};
        gw_buf_put(out, body.ptr + taken, i - taken);
        gw_buf_put(out, stand_in, sizeof stand_in);
        taken = i + 6;
        i += 5;
    }
    if (taken > 0)
        gw_buf_put(out, body.ptr + taken, body.len - taken);
    return out->failed;
}

static void unmend(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        const uint8_t *at = (const uint8_t *)s;
        if (at[0] == 0xee && at[1] == 0x80 && at[2] >= 0x80 && at[2] < 0xa0) {
            *to++ = (char)(at[2] - 0x80);
            s += 2;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* The text into `to`, decoded when the answer is encoded ('+' is a blank there). */
static void take_key(struct parse *p, struct gw_buf *to)
{
    const char *s = gw_buf_cstr(&p->text);
    size_t n = p->text.len;
    gw_buf_reset(to);
    for (size_t i = 0; i < n; i++) {
        if (!p->url || (s[i] != '%' && s[i] != '+')) {
            gw_buf_put_u8(to, (uint8_t)s[i]);
        } else if (s[i] == '+') {
            gw_buf_put_u8(to, ' ');
        } else if (i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            gw_buf_put_u8(to, (uint8_t)(hex(s[i + 1]) * 16 + hex(s[i + 2])));
            i += 2;
        } else {
            stop(p, GW_BAD_MESSAGE);
            return;
        }
    }
}

static uint64_t take_number(struct parse *p, uint64_t max)
{
    uint64_t v = 0;
    if (p->text.len == 0)
        stop(p, GW_BAD_MESSAGE);
    for (size_t i = 0; i < p->text.len; i++) {
        uint8_t c = p->text.data[i];
        if (c < '0' || c > '9' || v > (max - (uint64_t)(c - '0')) / 10) {
            stop(p, GW_BAD_MESSAGE);
            return 0;
        }
        v = v * 10 + (uint64_t)(c - '0');
    }
    return v;
}

static int64_t take_time(struct parse *p)
{
    int64_t s = 0;
    return rfc3339_parse(gw_buf_cstr(&p->text), &s) ? s : 0;
}

static void take_string(struct parse *p, char **to)
{
    mem_free(*to);
    *to = mem_strdup(gw_buf_cstr(&p->text));
}

static void take_error(struct parse *p)
{
    const char *s = gw_buf_cstr(&p->text);
    struct s3_xml_error *e = p->error;
    switch (p->field) {
    case FIELD_ERR_CODE:
        snprintf(e->code, sizeof e->code, "%s", s);
        break;
    case FIELD_ERR_MESSAGE:
        snprintf(e->message, sizeof e->message, "%s", s);
        break;
    case FIELD_ERR_REQUEST:
        snprintf(e->request_id, sizeof e->request_id, "%s", s);
        break;
    case FIELD_ERR_REGION:
        snprintf(e->region, sizeof e->region, "%s", s);
        break;
    default:
        snprintf(e->server_time, sizeof e->server_time, "%s", s);
        break;
    }
}

static void take_head(struct parse *p)
{
    switch (p->field) {
    case FIELD_TRUNCATED:
        p->head->truncated = strcmp(gw_buf_cstr(&p->text), "true") == 0;
        break;
    case FIELD_TOKEN:
        take_string(p, &p->head->token);
        if (p->mended)
            unmend(p->head->token);
        break;
    case FIELD_TOKEN_KEY:
        take_key(p, &p->key);
        mem_free(p->head->token);
        p->head->token = mem_strdup(gw_buf_cstr(&p->key));
        break;
    case FIELD_ID_MARKER:
        take_string(p, &p->head->id_marker);
        break;
    case FIELD_HEAD_ID:
        take_string(p, &p->head->upload_id);
        break;
    case FIELD_HEAD_ETAG:
        take_string(p, &p->head->etag);
        break;
    default:
        p->head->time_s = take_time(p);
        break;
    }
}

static void take_item(struct parse *p)
{
    switch (p->field) {
    case FIELD_PREFIX:
        p->item.prefix = true;
        take_key(p, &p->key);
        break;
    case FIELD_KEY:
        take_key(p, &p->key);
        break;
    case FIELD_ETAG:
        gw_buf_reset(&p->etag);
        gw_buf_put(&p->etag, p->text.data, p->text.len);
        break;
    case FIELD_ITEM_ID:
        gw_buf_reset(&p->id);
        gw_buf_put(&p->id, p->text.data, p->text.len);
        break;
    case FIELD_SIZE:
        p->item.size = take_number(p, INT64_MAX);
        break;
    case FIELD_NUMBER:
        p->item.part_number = (uint32_t)take_number(p, 10000);
        break;
    default:
        p->item.time_s = take_time(p);
        break;
    }
}

static void end_item(struct parse *p)
{
    p->item.key = gw_buf_cstr(&p->key);
    p->item.key_len = p->key.len;
    p->item.etag = gw_buf_cstr(&p->etag);
    p->item.upload_id = gw_buf_cstr(&p->id);
    if (p->key.failed != GW_OK || p->etag.failed != GW_OK || p->id.failed != GW_OK)
        stop(p, GW_BAD_MESSAGE);
    else if (p->fn != NULL && !p->fn(p->arg, &p->item))
        stop(p, GW_TOO_LARGE);
}

static void on_end(void *arg, const char *qname)
{
    (void)qname;
    struct parse *p = arg;
    if (p->err != GW_OK)
        return;
    if (p->field >= FIELD_ERR_CODE)
        take_error(p);
    else if (p->field >= FIELD_KEY)
        take_item(p);
    else if (p->field != FIELD_NONE)
        take_head(p);
    p->field = FIELD_NONE;
    if (p->depth == 2 && p->in_item && p->err == GW_OK) {
        end_item(p);
        p->in_item = false;
    }
    p->depth--;
}

/* A document type is the door to entities: none of S3's answers has one. */
static void on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
                       int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    stop(arg, GW_BAD_MESSAGE);
}

static enum gw_err run(struct parse *p, struct gw_span body)
{
    if (body.len > INT32_MAX)
        return GW_BAD_MESSAGE;
    p->parser = XML_ParserCreate(NULL);
    if (p->parser == NULL)
        return GW_NO_MEMORY;
    struct gw_buf mended;
    gw_buf_init(&mended, body.len);
    if (mend(body, &mended) != GW_OK) {
        XML_ParserFree(p->parser);
        gw_buf_free(&mended);
        return GW_NO_MEMORY;
    }
    p->mended = mended.len > 0;
    if (p->mended)
        body = gw_buf_span(&mended);
    gw_buf_init(&p->text, TEXT_MAX);
    gw_buf_init(&p->key, TEXT_MAX);
    gw_buf_init(&p->etag, TEXT_MAX);
    gw_buf_init(&p->id, TEXT_MAX);
    XML_SetUserData(p->parser, p);
    XML_SetElementHandler(p->parser, on_start, on_end);
    XML_SetCharacterDataHandler(p->parser, on_text);
    XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
    enum XML_Status rc = XML_Parse(p->parser, (const char *)body.ptr, (int)body.len, 1);
    if (rc != XML_STATUS_OK && p->err == GW_OK)
        p->err = XML_GetErrorCode(p->parser) == XML_ERROR_NO_MEMORY ? GW_NO_MEMORY : GW_BAD_MESSAGE;
    XML_ParserFree(p->parser);
    gw_buf_free(&mended);
    gw_buf_free(&p->text);
    gw_buf_free(&p->key);
    gw_buf_free(&p->etag);
    gw_buf_free(&p->id);
    return p->err;
}

/* Servers write <EncodingType> before or behind the keys, so it is looked for ahead of parsing. A
 * key cannot fake it: '<' is escaped in XML. */
static bool is_encoded(struct gw_span body)
{
    static const char mark[] = "EncodingType>url</";
    return body.len > 0 && memmem(body.ptr, body.len, mark, sizeof mark - 1) != NULL;
}

enum gw_err s3_xml_parse(enum s3_xml_kind kind, struct gw_span body, s3_xml_item_fn *fn, void *arg,
                         struct s3_xml_head *head)
{
    *head = (struct s3_xml_head){0};
    struct parse p = {
        .form = &forms[kind], .url = is_encoded(body), .fn = fn, .arg = arg, .head = head};
    enum gw_err err = run(&p, body);
    char **strings[] = {&head->token, &head->id_marker, &head->upload_id, &head->etag};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (*strings[i] == NULL)
            *strings[i] = mem_strdup("");
    return err == GW_NOT_FOUND ? GW_BAD_MESSAGE : err;
}

void s3_xml_head_free(struct s3_xml_head *h)
{
    mem_free(h->token);
    mem_free(h->id_marker);
    mem_free(h->upload_id);
    mem_free(h->etag);
    *h = (struct s3_xml_head){0};
}

enum gw_err s3_xml_error(struct gw_span body, struct s3_xml_error *out)
{
    *out = (struct s3_xml_error){0};
    struct parse p = {.form = &error_form, .error = out};
    return run(&p, body);
}
