/* Every parser of S3's answers over the same bytes: a corpus file is an answer as a server sends
 * it. */
#include "backends/s3/s3_xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool item(void *arg, const struct s3_xml_item *i)
{
    size_t *n = arg;
    /* What the callers rely on. */
    if (i->key[i->key_len] != '\0' || i->part_number > 10000 || i->size > INT64_MAX)
        abort();
    *n += i->key_len + strlen(i->etag) + strlen(i->upload_id);
    return *n < 1000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_xml_error error;
    (void)s3_xml_error(gw_span_of(data, size), &error);
    if (strlen(error.code) >= sizeof error.code)
        abort();
    for (int kind = S3_XML_LIST; kind <= S3_XML_COPY_PART; kind++) {
        struct s3_xml_head head;
        size_t n = 0;
        enum gw_err err =
            s3_xml_parse((enum s3_xml_kind)kind, gw_span_of(data, size), item, &n, &head);
        if (head.token == NULL || head.etag == NULL || head.upload_id == NULL ||
            (err != GW_OK && err != GW_BAD_MESSAGE && err != GW_TOO_LARGE && err != GW_NO_MEMORY))
            abort();
        s3_xml_head_free(&head);
    }
    return 0;
}
