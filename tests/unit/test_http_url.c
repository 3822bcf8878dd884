#include "gateway/io/http_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "gateway/base/mem.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url, *path, *socket;
        bool tls;
    } rows[] = {
        {"http://a", "http://a/", "/", NULL, false},
        {"https://id.example.net/sftp?x=%20", "https://id.example.net/sftp?x=%20", "/sftp?x=%20",
         NULL, true},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "/", NULL, false},
        {"http://[::1]:80/x", "http://[::1]:80/x", "/x", NULL, false},
        {"http://[::1]", "http://[::1]/", "/", NULL, false},
        {"http://h?q", "http://h/?q", "/?q", NULL, false},
        {"http+unix:///run/id.sock:/login", "http://localhost/login", "/login", "/run/id.sock",
         false},
        {"http+unix:///a b:/p:q", "http://localhost/p:q", "/p:q", "/a b", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_url u;
        struct gw_errmsg msg = {""};
        if (http_url_parse(rows[i].text, &u, &msg) != GW_OK)
            fail_msg("%s: %s", rows[i].text, msg.text);
        assert_string_equal(u.url, rows[i].url);
        assert_string_equal(u.path, rows[i].path);
        assert_int_equal(u.tls, rows[i].tls);
        assert_int_equal(u.unix_socket != NULL, rows[i].socket != NULL);
        if (rows[i].socket != NULL)
            assert_string_equal(u.unix_socket, rows[i].socket);
        http_url_free(&u);
        assert_null(u.url);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "must begin"},
        {"id.example.net/sftp", "must begin"},
        {"ftp://a/", "must begin"},
        {"HTTP://a/", "must begin"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://:80/", "no host"},
        {"http://[::1/", "no host"},
        {"http://me:pw@a/", "auth"},
        {"http://a:0/", "port"},
        {"http://a:/", "port"},
        {"http://a:65536/", "port"},
        {"http://a:99999999999999999999/", "port"},
        {"http://a:8o/", "port"},
        {"http://a,b/", "cannot be one"},
        {"http://a/ b", "%XX"},
        {"http://a/\xc3\xa4", "%XX"},
        {"http://a/\x7f", "%XX"},
        {"http://a/x\ny", "%XX"},
        {"http://a/{user}", "%XX"},
        {"http://a/#x", "fragment"},
        {"http+unix://run/id.sock:/", "must be"},
        {"http+unix:///run/id.sock", "must be"},
        {"http+unix:///run/id.sock:login", "must be"},
        {"http+unix:///run/id.sock:/lo gin", "%XX"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_url u;
        struct gw_errmsg msg = {""};
        const char *text = rows[i].text;
        assert_int_equal(http_url_parse(text, &u, &msg), GW_CONFIG);
        if (strstr(msg.text, rows[i].why) == NULL)
            fail_msg("%s: %s", text, msg.text);
        assert_null(u.url);
        assert_int_equal(http_url_check(&text, NULL), GW_CONFIG);
    }
    char *longest = mem_printf("http+unix:///%0107d:/", 0); /* 108 bytes of socket */
    const char *text = longest;
    assert_int_equal(http_url_check(&text, NULL), GW_CONFIG);
    mem_free(longest);
    text = NULL;
    assert_int_equal(http_url_check(&text, NULL), GW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
