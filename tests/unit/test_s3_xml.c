#include "backends/s3/s3_xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* What the items said, one a line. */
static bool note(void *arg, const struct s3_xml_item *i)
{
    struct gw_buf *b = arg;
    gw_buf_printf(b, "%s", i->prefix ? "P " : "K ");
    gw_buf_put(b, i->key, i->key_len);
    gw_buf_printf(b, " %llu %u %lld %s %s\n", (unsigned long long)i->size, (unsigned)i->part_number,
                  (long long)i->time_s, i->etag, i->upload_id);
    return true;
}

struct row {
    const char *name;
    enum s3_xml_kind kind;
    const char *body;
    enum gw_err err;
    const char *items;
    bool truncated;
    const char *token, *id_marker, *upload_id, *etag;
};

static const struct row rows[] = {
    {"listing", S3_XML_LIST,
     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult" NS "><Name>b</Name>"
     "<Prefix>d/</Prefix><IsTruncated>true</IsTruncated><Contents><Key>d/a</Key>"
     "<LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9&quot;</ETag>"
     "<Size>434234</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID><DisplayName>"
     "Key</DisplayName></Owner></Contents><CommonPrefixes><Prefix>d/e/</Prefix></CommonPrefixes>"
     "<NextContinuationToken>1ueG&amp;cxLPRx1Tr/XYEx=</NextContinuationToken></ListBucketResult>",
     GW_OK, "K d/a 434234 0 1255369830 \"fba9\" \nP d/e/ 0 0 0  \n", true,
     "1ueG&cxLPRx1Tr/XYEx=", "", "", ""},
    {"url-encoded, said behind the keys", S3_XML_LIST,
     "<ListBucketResult><Contents><Key>a+b%2Bc%0Ad%25</Key><Size>1</Size></Contents>"
     "<EncodingType>url</EncodingType></ListBucketResult>",
     GW_OK, "K a b+c\nd% 1 0 0  \n", false, "", "", "", ""},
    {"not encoded: percent and plus are themselves", S3_XML_LIST,
     "<ListBucketResult><Contents><Key>a+b%2B</Key><Size>1</Size></Contents></ListBucketResult>",
     GW_OK, "K a+b%2B 1 0 0  \n", false, "", "", "", ""},
    {"a key that says EncodingType", S3_XML_LIST,
     "<ListBucketResult><Contents><Key>&lt;EncodingType&gt;url&lt;/EncodingType&gt;%41</Key>"
     "</Contents></ListBucketResult>",
     GW_OK, "K <EncodingType>url</EncodingType>%41 0 0 0  \n", false, "", "", "", ""},
    {"bad percent", S3_XML_LIST,
     "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%4</Key></Contents>"
     "</ListBucketResult>",
     GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"another namespace prefix", S3_XML_LIST,
     "<s3:ListBucketResult xmlns:s3=\"x\"><s3:Contents><s3:Key>k</s3:Key></s3:Contents>"
     "</s3:ListBucketResult>",
     GW_OK, "K k 0 0 0  \n", false, "", "", "", ""},
    {"a reference that XML does not have (radosgw)", S3_XML_LIST,
     "<ListBucketResult><Prefix>&#x01;/</Prefix><IsTruncated>true</IsTruncated>"
     "<NextContinuationToken>&#x01;/&#x1F;&#x0A;b</NextContinuationToken></ListBucketResult>",
     GW_OK, "", true, "\x01/\x1f\nb", "", "", ""},
    {"empty", S3_XML_LIST, "<ListBucketResult/>", GW_OK, "", false, "", "", "", ""},
    {"size that is none", S3_XML_LIST,
     "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>", GW_BAD_MESSAGE,
     "", false, "", "", "", ""},
    {"size over 2^63", S3_XML_LIST,
     "<ListBucketResult><Contents><Size>9223372036854775808</Size></Contents></ListBucketResult>",
     GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"another root", S3_XML_LIST, "<Error><Code>x</Code></Error>", GW_BAD_MESSAGE, "", false, "",
     "", "", ""},
    {"HTML", S3_XML_LIST, "<html><body><p>busy</body></html>", GW_BAD_MESSAGE, "", false, "", "",
     "", ""},
    {"cut off", S3_XML_LIST, "<ListBucketResult><Contents><Key>a</Key></Contents>", GW_BAD_MESSAGE,
     "K a 0 0 0  \n", false, "", "", "", ""},
    {"nothing", S3_XML_LIST, "", GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"a document type", S3_XML_LIST,
     "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><ListBucketResult><Contents>"
     "<Key>&b;</Key></Contents></ListBucketResult>",
     GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"too deep", S3_XML_LIST,
     "<ListBucketResult><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></"
     "ListBucketResult>",
     GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"uploads", S3_XML_UPLOADS,
     "<ListMultipartUploadsResult" NS "><Bucket>b</Bucket><NextKeyMarker>k%2F2</NextKeyMarker>"
     "<NextUploadIdMarker>id2</NextUploadIdMarker><EncodingType>url</EncodingType>"
     "<IsTruncated>true</IsTruncated><Upload><Key>k%2F1</Key><UploadId>id1</UploadId>"
     "<Initiator><ID>i</ID></Initiator><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>"
     "</ListMultipartUploadsResult>",
     GW_OK, "K k/1 0 0 1289422113  id1\n", true, "k/2", "id2", "", ""},
    {"parts", S3_XML_PARTS,
     "<ListPartsResult" NS "><UploadId>id</UploadId><NextPartNumberMarker>2</NextPartNumberMarker>"
     "<IsTruncated>false</IsTruncated><Part><PartNumber>2</PartNumber><LastModified>"
     "2010-11-10T20:48:34.000Z</LastModified><ETag>\"7778\"</ETag><Size>10485760</Size></Part>"
     "</ListPartsResult>",
     GW_OK, "K  10485760 2 1289422114 \"7778\" \n", false, "2", "", "", ""},
    {"part number over the bound", S3_XML_PARTS,
     "<ListPartsResult><Part><PartNumber>10001</PartNumber></Part></ListPartsResult>",
     GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"initiate", S3_XML_INITIATE,
     "<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket><Key>k</Key><UploadId>VXBs</UploadId>"
     "</InitiateMultipartUploadResult>",
     GW_OK, "", false, "", "", "VXBs", ""},
    {"complete", S3_XML_COMPLETE,
     "<CompleteMultipartUploadResult" NS "><ETag>\"3858f62230ac3c915f300c664312c11f-9\"</ETag>"
     "</CompleteMultipartUploadResult>",
     GW_OK, "", false, "", "", "", "\"3858f62230ac3c915f300c664312c11f-9\""},
    {"an error instead of a completion", S3_XML_COMPLETE,
     "<Error><Code>InternalError</Code></Error>", GW_BAD_MESSAGE, "", false, "", "", "", ""},
    {"copy", S3_XML_COPY,
     "<CopyObjectResult><LastModified>2009-10-28T22:32:00Z</LastModified><ETag>\"9b2c\"</ETag>"
     "</CopyObjectResult>",
     GW_OK, "", false, "", "", "", "\"9b2c\""},
    {"copy of a part", S3_XML_COPY_PART, "<CopyPartResult><ETag>\"9b2d\"</ETag></CopyPartResult>",
     GW_OK, "", false, "", "", "", "\"9b2d\""},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct gw_buf items;
        struct s3_xml_head head;
        gw_buf_init(&items, 4096);
        enum gw_err err = s3_xml_parse(r->kind, gw_span_str(r->body), note, &items, &head);
        if (err != r->err || strcmp(gw_buf_cstr(&items), r->items) != 0)
            print_error("row %s: %s\n%s", r->name, gw_err_name(err), gw_buf_cstr(&items));
        assert_int_equal(err, r->err);
        assert_string_equal(gw_buf_cstr(&items), r->items);
        if (err == GW_OK) {
            assert_int_equal(head.truncated, r->truncated);
            assert_string_equal(head.token, r->token);
            assert_string_equal(head.id_marker, r->id_marker);
            assert_string_equal(head.upload_id, r->upload_id);
            assert_string_equal(head.etag, r->etag);
        }
        s3_xml_head_free(&head);
        gw_buf_free(&items);
    }
}

static void test_error(void **state)
{
    (void)state;
    struct s3_xml_error e;
    static const char body[] =
        "<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>The "
        "region &apos;a&apos; is wrong</Message><Region>eu-west-1</Region><RequestId>4442587FB7D0A2"
        "F9</RequestId><HostId>h</HostId></Error>";
    assert_int_equal(s3_xml_error(gw_span_str(body), &e), GW_OK);
    assert_string_equal(e.code, "AuthorizationHeaderMalformed");
    assert_string_equal(e.message, "The region 'a' is wrong");
    assert_string_equal(e.region, "eu-west-1");
    assert_string_equal(e.request_id, "4442587FB7D0A2F9");
    assert_int_equal(s3_xml_error(gw_span_str("<CopyObjectResult/>"), &e), GW_NOT_FOUND);
    assert_int_equal(s3_xml_error(gw_span_str("busy"), &e), GW_BAD_MESSAGE);
    /* AWS keeps a slow Complete alive with blanks in front. */
    assert_int_equal(s3_xml_error(gw_span_str("\n\n  <Error><Code>SlowDown</Code></Error>"), &e),
                     GW_OK);
    assert_string_equal(e.code, "SlowDown");
}

static bool refuse(void *arg, const struct s3_xml_item *i)
{
    (void)i;
    return --*(int *)arg > 0;
}

static void test_bounds(void **state)
{
    (void)state;
    struct s3_xml_head head;
    int left = 2;
    static const char three[] = "<ListBucketResult><Contents/><Contents/><Contents/>"
                                "</ListBucketResult>";
    assert_int_equal(s3_xml_parse(S3_XML_LIST, gw_span_str(three), refuse, &left, &head),
                     GW_TOO_LARGE);
    assert_int_equal(left, 0);
    s3_xml_head_free(&head);

    struct gw_buf b;
    gw_buf_init(&b, 1u << 20);
    gw_buf_put_text(&b, "<ListBucketResult><Contents><Key>");
    for (int i = 0; i < 20000; i++)
        gw_buf_put_u8(&b, 'k');
    gw_buf_put_text(&b, "</Key></Contents></ListBucketResult>");
    assert_int_equal(s3_xml_parse(S3_XML_LIST, gw_buf_span(&b), NULL, NULL, &head), GW_BAD_MESSAGE);
    s3_xml_head_free(&head);

    gw_buf_reset(&b);
    gw_buf_put_text(&b, "<ListBucketResult>");
    for (int i = 0; i < 10001; i++)
        gw_buf_put_text(&b, "<Contents/>");
    gw_buf_put_text(&b, "</ListBucketResult>");
    assert_int_equal(s3_xml_parse(S3_XML_LIST, gw_buf_span(&b), NULL, NULL, &head), GW_BAD_MESSAGE);
    s3_xml_head_free(&head);
    gw_buf_free(&b);
}

/* Every allocation that may fail does, once: an error, no leak, no crash. */
static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 40; n++) {
        struct gw_buf items;
        struct s3_xml_head head;
        gw_buf_init(&items, 4096);
        mem_fail_after(n);
        enum gw_err err = s3_xml_parse(S3_XML_LIST, gw_span_str(rows[0].body), NULL, NULL, &head);
        mem_fail_after(0);
        assert_true(err == GW_OK || err == GW_NO_MEMORY || err == GW_BAD_MESSAGE);
        s3_xml_head_free(&head);
        gw_buf_free(&items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
