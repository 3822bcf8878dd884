#include "backends/http/web_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *origin, *path, *root, *socket; /* origin NULL = refused */
    } rows[] = {
        {"http://h", "http://h", "", "", NULL},
        {"https://h:8443/", "https://h:8443", "", "", NULL},
        {"http://h/dav/", "http://h", "/dav", "/dav", NULL},
        {"http://h/a%20b/%C3%A4//", "http://h", "/a%20b/%C3%A4", "/a b/\xc3\xa4", NULL},
        {"http+unix:///run/dav.sock:/dav", "http://localhost", "/dav", "/dav", "/run/dav.sock"},
        {"ftp://h/", NULL, NULL, NULL, NULL},
        {"http://u:p@h/", NULL, NULL, NULL, NULL},
        {"http://h/?q", NULL, NULL, NULL, NULL},
        {"http://h/a/../b", NULL, NULL, NULL, NULL},
        {"http://h/a//b", NULL, NULL, NULL, NULL},
        {"http://h/%2", NULL, NULL, NULL, NULL},
        {"http://h/%00", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct web_url u;
        struct gw_errmsg msg;
        enum gw_err err = web_url_parse(rows[i].text, &u, &msg);
        if ((err == GW_OK) != (rows[i].origin != NULL))
            print_error("row %s\n", rows[i].text);
        assert_int_equal(err, rows[i].origin != NULL ? GW_OK : GW_CONFIG);
        if (err != GW_OK)
            continue;
        assert_string_equal(u.origin, rows[i].origin);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(u.root, rows[i].root);
        if (rows[i].socket != NULL)
            assert_string_equal(u.unix_socket, rows[i].socket);
        else
            assert_null(u.unix_socket);
        web_url_free(&u);
    }
}

static void test_within(void **state)
{
    (void)state;
    static const struct {
        const char *url, *location, *target;
    } rows[] = {
        {"http://h/dav", "/other/x?y", "/other/x?y"},
        {"http://h/dav", "http://h/dav/d/", "/dav/d/"},
        {"http://h:80/dav", "HTTP://H/dav/d/", "/dav/d/"},
        {"https://h/dav", "https://h:443/d", "/d"},
        {"https://h/dav", "http://h/d", NULL},
        {"http://h/dav", "https://h/d", NULL},
        {"http://h/dav", "http://h.evil/d", NULL},
        {"http://h/dav", "http://evil/http://h/d", NULL},
        {"http://h/dav", "//evil/d", NULL},
        {"http://h/dav", "http://h:81/d", NULL},
        {"http://h/dav", "http://h@evil/d", NULL},
        {"http://h/dav", "http://h", NULL},
        {"http://h/dav", "", NULL},
        {"http://h/dav", "d/", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct web_url u;
        assert_int_equal(web_url_parse(rows[i].url, &u, NULL), GW_OK);
        const char *to = web_url_within(&u, rows[i].location);
        if ((to == NULL) != (rows[i].target == NULL))
            print_error("row %s\n", rows[i].location);
        if (rows[i].target == NULL)
            assert_null(to);
        else
            assert_string_equal(to, rows[i].target);
        web_url_free(&u);
    }
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *href;
        enum web_href kind;
        const char *name;
    } rows[] = {
        {"/dav", "/dav/", WEB_HREF_SELF, NULL},
        {"/dav", "/dav", WEB_HREF_SELF, NULL},
        {"/dav", "http://other:81/dav/", WEB_HREF_SELF, NULL},
        {"/dav", "//dav//", WEB_HREF_SELF, NULL},
        {"", "/", WEB_HREF_SELF, NULL},
        {"", "http://h", WEB_HREF_SELF, NULL},
        {"/dav", "/dav/a", WEB_HREF_CHILD, "a"},
        {"/dav", "/dav/a/", WEB_HREF_CHILD, "a"},
        {"/dav", "https://h/dav/a/", WEB_HREF_CHILD, "a"},
        {"", "/a", WEB_HREF_CHILD, "a"},
        {"/dav", "/%64av/%61", WEB_HREF_CHILD, "a"},
        {"/dav", "/dav/a b+c;d", WEB_HREF_CHILD, "a b+c;d"},
        {"/dav", "/dav/100%25%20%23%3F%0A", WEB_HREF_CHILD, "100% #?\n"},
        {"/d\xc3\xa4v", "/d%c3%A4v/x", WEB_HREF_CHILD, "x"},
        {"/dav", "/dav/a%2Fb", WEB_HREF_CHILD, "a/b"}, /* no good name: its user sees to that */
        {"/dav", "/dav/..", WEB_HREF_CHILD, ".."},
        {"/dav", "/dav/a/b", WEB_HREF_FOREIGN, NULL},
        {"/dav", "/", WEB_HREF_FOREIGN, NULL},
        {"/dav", "/davx/a", WEB_HREF_FOREIGN, NULL},
        {"/dav", "/da%2fv/a", WEB_HREF_FOREIGN, NULL},
        {"/dav/x", "/dav/a", WEB_HREF_FOREIGN, NULL},
        {"/dav", "/dav/%zz", WEB_HREF_FOREIGN, NULL},
        {"/dav", "a", WEB_HREF_FOREIGN, NULL},
        {"/dav", "../dav/a", WEB_HREF_FOREIGN, NULL},
        {"/dav", "", WEB_HREF_FOREIGN, NULL},
    };
    struct gw_buf name;
    gw_buf_init(&name, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum web_href kind = web_url_match(rows[i].folder, rows[i].href, &name);
        if (kind != rows[i].kind)
            print_error("row %s in %s\n", rows[i].href, rows[i].folder);
        assert_int_equal(kind, rows[i].kind);
        if (rows[i].name != NULL)
            assert_string_equal(gw_buf_cstr(&name), rows[i].name);
    }
    gw_buf_free(&name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
