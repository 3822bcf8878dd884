#include "backends/s3/s3_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct row {
    const char *name;
    const char *method, *path;
    struct s3_param query[4];
    size_t nquery;
    struct s3_sign_header headers[6];
    size_t nheaders;
    const char *hash;
    const char *signature;
};

/* The examples of the S3 API reference, "Signature Calculations for the Authorization Header". */
static const struct row s3_rows[] = {
    {"GET object with a range",
     "GET",
     "/test.txt",
     {{0}},
     0,
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"Range", "bytes=0-9"},
      {"x-amz-content-sha256", EMPTY_HASH},
      {"x-amz-date", "20130524T000000Z"}},
     4,
     EMPTY_HASH,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "PUT",
     "/test%24file.text",
     {{0}},
     0,
     {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"Host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
      {"x-amz-date", "20130524T000000Z"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     5,
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "GET",
     "/",
     {{"lifecycle", NULL}},
     1,
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", EMPTY_HASH},
      {"x-amz-date", "20130524T000000Z"}},
     3,
     EMPTY_HASH,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET bucket (list), query out of order",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     2,
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", EMPTY_HASH},
      {"x-amz-date", "20130524T000000Z"}},
     3,
     EMPTY_HASH,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

#define SUITE_HEADERS {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}}, 2

/* Cases of the aws-sig-v4-test-suite. */
static const struct row suite_rows[] = {
    {"get-vanilla",
     "GET",
     "/",
     {{0}},
     0,
     SUITE_HEADERS,
     EMPTY_HASH,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"post-vanilla",
     "POST",
     "/",
     {{0}},
     0,
     SUITE_HEADERS,
     EMPTY_HASH,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {{"Param2", "value2"}, {"Param1", "value1"}},
     2,
     SUITE_HEADERS,
     EMPTY_HASH,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     {{"Param1", "value1"}},
     1,
     SUITE_HEADERS,
     EMPTY_HASH,
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {{0}},
     0,
     SUITE_HEADERS,
     EMPTY_HASH,
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/%E1%88%B4",
     {{0}},
     0,
     SUITE_HEADERS,
     EMPTY_HASH,
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-value-trim",
     "GET",
     "/",
     {{0}},
     0,
     {{"Host", "example.amazonaws.com"},
      {"My-Header1", " value1"},
      {"My-Header2", " \"a   b   c\""},
      {"X-Amz-Date", "20150830T123600Z"}},
     4,
     EMPTY_HASH,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     {{0}},
     0,
     {{"Host", "example.amazonaws.com"},
      {"My-Header1", "value2"},
      {"My-Header1", "value2"},
      {"My-Header1", "value1"},
      {"X-Amz-Date", "20150830T123600Z"}},
     5,
     EMPTY_HASH,
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     {{0}},
     0,
     {{"Content-Type", "application/x-www-form-urlencoded"},
      {"Host", "example.amazonaws.com"},
      {"X-Amz-Date", "20150830T123600Z"}},
     3,
     "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

static void check_rows(const struct row *rows, size_t n, const struct s3_sign_key *key,
                       const char *service, int64_t time_s)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct gw_buf query;
        struct gw_buf out;
        gw_buf_init(&query, 4096);
        gw_buf_init(&out, 4096);
        s3_sign_query(r->query, r->nquery, &query);
        struct s3_sign_req req = {.method = r->method,
                                  .path = r->path,
                                  .query = gw_buf_cstr(&query),
                                  .headers = r->headers,
                                  .nheaders = r->nheaders,
                                  .payload_hash = r->hash,
                                  .region = "us-east-1",
                                  .service = service,
                                  .time_s = time_s};
        assert_int_equal(s3_sign_authorization(key, &req, &out), GW_OK);
        const char *sig = strstr(gw_buf_cstr(&out), "Signature=");
        assert_non_null(sig);
        if (strcmp(sig + 10, r->signature) != 0)
            print_error("row %s\n", r->name);
        assert_string_equal(sig + 10, r->signature);
        gw_buf_free(&query);
        gw_buf_free(&out);
    }
}

static void test_published_s3(void **state)
{
    (void)state;
    const struct s3_sign_key key = {"AKIAIOSFODNN7EXAMPLE",
                                    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
    check_rows(s3_rows, sizeof s3_rows / sizeof s3_rows[0], &key, "s3", 1369353600);
}

static void test_published_suite(void **state)
{
    (void)state;
    const struct s3_sign_key key = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                    NULL};
    check_rows(suite_rows, sizeof suite_rows / sizeof suite_rows[0], &key, "service", 1440938160);
}

static void test_authorization_text(void **state)
{
    (void)state;
    const struct s3_sign_key key = {"AKIAIOSFODNN7EXAMPLE",
                                    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
    const struct row *r = &s3_rows[0];
    struct s3_sign_req req = {"GET",      r->path,     "",   r->headers, r->nheaders,
                              EMPTY_HASH, "us-east-1", "s3", 1369353600};
    struct gw_buf out;
    gw_buf_init(&out, 4096);
    assert_int_equal(s3_sign_authorization(&key, &req, &out), GW_OK);
    assert_string_equal(
        gw_buf_cstr(&out),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    gw_buf_free(&out);
}

/* The order is that of the encoded bytes: "%" sorts before letters and digits. */
static void test_query_order(void **state)
{
    (void)state;
    const struct s3_param p[] = {{"uploads", NULL}, {"a", "2"},   {"a", "1"},
                                 {"a-b", ""},       {"A", "x/y"}, {"a\xc3\xbc", "+"}};
    struct gw_buf out;
    gw_buf_init(&out, 256);
    s3_sign_query(p, sizeof p / sizeof p[0], &out);
    assert_string_equal(gw_buf_cstr(&out), "A=x%2Fy&a=1&a=2&a%C3%BC=%2B&a-b=&uploads=");
    gw_buf_free(&out);
}

static void test_refused(void **state)
{
    (void)state;
    const struct s3_sign_key key = {"id", "secret", NULL};
    static const struct s3_sign_header many[S3_SIGN_HEADERS_MAX + 1];
    struct s3_sign_req req = {"GET", "/", "", many, S3_SIGN_HEADERS_MAX + 1, "x", "r", "s3", 0};
    struct gw_buf out;
    gw_buf_init(&out, 4096);
    assert_int_equal(s3_sign_authorization(&key, &req, &out), GW_BAD_ARG);
    req.nheaders = 0;
    req.time_s = -1;
    assert_int_equal(s3_sign_authorization(&key, &req, &out), GW_BAD_ARG);
    req.time_s = INT64_MAX;
    assert_int_equal(s3_sign_authorization(&key, &req, &out), GW_BAD_ARG);
    req.time_s = 0;
    gw_buf_free(&out);
    gw_buf_init(&out, 8);
    assert_int_equal(s3_sign_authorization(&key, &req, &out), GW_TOO_LARGE);
    gw_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_s3),
        cmocka_unit_test(test_published_suite),
        cmocka_unit_test(test_authorization_text),
        cmocka_unit_test(test_query_order),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
