#include "backends/s3/s3_endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backends/s3/s3.h"
#include "gateway/base/mem.h"

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint, *region, *bucket;
        bool path_style, tls;
        const char *host, *base; /* host NULL = refused */
    } rows[] = {
        {NULL, "eu-central-1", "b", false, true, "b.s3.eu-central-1.amazonaws.com", ""},
        {NULL, "cn-north-1", "b", false, true, "b.s3.cn-north-1.amazonaws.com.cn", ""},
        {NULL, "us-east-1", "b", true, true, "s3.us-east-1.amazonaws.com", "/b"},
        {NULL, "us-east-1", "my.bucket", false, true, "s3.us-east-1.amazonaws.com", "/my.bucket"},
        {NULL, "us-east-1", "My_Bucket", false, true, "s3.us-east-1.amazonaws.com", "/My_Bucket"},
        {"http://minio.example:9000", "r", "b", true, false, "minio.example:9000", "/b"},
        {"http://minio.example:9000/", "r", "b", false, false, "b.minio.example:9000", ""},
        {"https://h:443", "r", "b", true, true, "h", "/b"},
        {"http://h:80", "r", "b", true, false, "h", "/b"},
        {"http://h:443", "r", "b", true, false, "h:443", "/b"},
        {"http://127.0.0.1:7480", "r", "b", false, false, "127.0.0.1:7480", "/b"},
        {"http://[::1]:7480", "r", "b", false, false, "[::1]:7480", "/b"},
        {"http://localhost:7480", "r", "b", false, false, "localhost:7480", "/b"},
        {"ftp://h", "r", "b", true, false, NULL, NULL},
        {"h:9000", "r", "b", true, false, NULL, NULL},
        {"http://", "r", "b", true, false, NULL, NULL},
        {"http://h/path", "r", "b", true, false, NULL, NULL},
        {"http://h:0", "r", "b", true, false, NULL, NULL},
        {"http://h:65536", "r", "b", true, false, NULL, NULL},
        {"http://h:", "r", "b", true, false, NULL, NULL},
        {"http://user:pw@h", "r", "b", true, false, NULL, NULL},
        {"http://h\r\nx", "r", "b", true, false, NULL, NULL},
        {"http://h?x", "r", "b", true, false, NULL, NULL},
        {"http://[::1", "r", "b", true, false, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_conf conf = {.endpoint = mem_strdup(rows[i].endpoint),
                               .region = mem_strdup(rows[i].region),
                               .bucket = mem_strdup(rows[i].bucket),
                               .path_style = rows[i].path_style};
        struct s3_endpoint e;
        struct gw_errmsg msg = {""};
        enum gw_err err = s3_endpoint_init(&e, &conf, &msg);
        if ((err == GW_OK) != (rows[i].host != NULL))
            print_error("row %zu %s\n", i, msg.text);
        assert_int_equal(err, rows[i].host != NULL ? GW_OK : GW_CONFIG);
        if (err == GW_OK) {
            assert_string_equal(e.host, rows[i].host);
            assert_string_equal(e.base, rows[i].base);
            assert_int_equal(e.tls, rows[i].tls);
        } else {
            assert_string_not_equal(msg.text, "");
        }
        s3_endpoint_free(&e);
        mem_free(conf.endpoint);
        mem_free(conf.region);
        mem_free(conf.bucket);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
