#include "backends/http/dav_xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:multistatus xmlns:D=\"DAV:\">"
#define TAIL "</D:multistatus>"
#define OK   "<D:status>HTTP/1.1 200 OK</D:status>"

struct seen {
    unsigned n, stop_at; /* stop_at 0 = never */
    char href[200], etag[40];
    struct dav_item last;
};

static bool on_item(void *arg, const struct dav_item *item)
{
    struct seen *s = arg;
    snprintf(s->href, sizeof s->href, "%s", item->href);
    snprintf(s->etag, sizeof s->etag, "%s", item->etag);
    s->last = *item;
    return ++s->n != s->stop_at;
}

/* In pieces of `step` bytes. */
static enum gw_err parse(const char *text, size_t step, struct seen *s)
{
    struct dav_xml *x = dav_xml_new(on_item, s);
    assert_non_null(x);
    size_t n = strlen(text);
    enum gw_err err = GW_OK;
    for (size_t at = 0; at < n && err == GW_OK; at += step)
        err = dav_xml_feed(x, gw_span_of(text + at, n - at < step ? n - at : step));
    if (err == GW_OK)
        err = dav_xml_end(x);
    dav_xml_free(&x);
    assert_null(x);
    return err;
}

static void test_fields(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "<D:response><D:href>\n /dav/a%20b </D:href>"
             "<D:propstat><D:prop><D:resourcetype/><D:getcontentlength> 12 </D:getcontentlength>"
             "<D:getlastmodified>Sun, 22 Nov 2026 13:57:59 GMT</D:getlastmodified>"
             "<D:getetag>\"abc\"</D:getetag><x:other "
             "xmlns:x=\"urn:x\"><x:getetag>no</x:getetag></x:other>"
             "</D:prop>" OK "</D:propstat>"
             "<D:propstat><D:prop><D:quota-available-bytes>9</D:quota-available-bytes></D:prop>"
             "<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>" TAIL;
    for (size_t step = 1; step < sizeof text; step += 13) {
        struct seen s = {0};
        assert_int_equal(parse(text, step, &s), GW_OK);
        assert_int_equal(s.n, 1);
        assert_string_equal(s.href, "/dav/a%20b");
        assert_string_equal(s.etag, "\"abc\"");
        assert_false(s.last.dir);
        assert_true(s.last.has_size);
        assert_int_equal(s.last.size, 12);
        assert_int_equal(s.last.mtime_s, 1795355879);
        assert_false(s.last.has_available);
        assert_int_equal(s.last.refused, 404);
    }
}

static void test_folder_and_quota(void **state)
{
    (void)state;
    struct seen s = {0};
    assert_int_equal(parse("<multistatus xmlns=\"DAV:\"><response><href>/</href><propstat><prop>"
                           "<resourcetype><collection/></resourcetype><quota-used-bytes>5"
                           "</quota-used-bytes><quota-available-bytes>7</quota-available-bytes>"
                           "</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
                           "<response><href>/x</href><status>HTTP/1.1 423 Locked</status>"
                           "</response></multistatus>",
                           1000, &s),
                     GW_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.last.status, 423);
    s = (struct seen){.stop_at = 1};
    assert_int_equal(parse(HEAD "<D:response><D:href>/a</D:href></D:response>"
                                "<D:response><D:href>/b</D:href></D:response>" TAIL,
                           1000, &s),
                     GW_UPSTREAM);
    assert_int_equal(s.n, 1);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "no XML",
        "<html><body>Login</body></html>",
        "<multistatus><response><href>/</href></response></multistatus>", /* no namespace */
        HEAD "<D:response><D:href>/a</D:href></D:response>",              /* cut off */
        HEAD "<D:response></D:response>" TAIL,                            /* no href */
        HEAD "<D:response><D:href>\xff</D:href></D:response>" TAIL,       /* no UTF-8 */
        HEAD "<D:response><D:href>&#1;</D:href></D:response>" TAIL,
        "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><D:multistatus xmlns:D=\"DAV:\">&a;" TAIL,
        "<!DOCTYPE x SYSTEM \"http://evil/x.dtd\"><D:multistatus xmlns:D=\"DAV:\">" TAIL,
        HEAD "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = {0};
        enum gw_err err = parse(rows[i], 4096, &s);
        if (err != GW_BAD_MESSAGE)
            print_error("row %zu: %s\n", i, gw_err_name(err));
        assert_int_equal(err, GW_BAD_MESSAGE);
    }
}

/* Without an end, each in its own way: the bound comes before the memory does. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece;
        bool numbered;
    } rows[] = {
        {HEAD "<D:response><D:href>", "aaaaaaaaaaaaaaaa", false},
        {HEAD "<D:response x=\"", "aaaaaaaaaaaaaaaa", false},
        {HEAD "<", "aaaaaaaaaaaaaaaa", false},
        {HEAD "<!--", "aaaaaaaaaaaaaaaa", false},
        {HEAD, "<n%u/>", true},
        {HEAD, "<x xmlns:n%u=\"urn:%u\"/>", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = {0};
        struct dav_xml *x = dav_xml_new(on_item, &s);
        enum gw_err err = dav_xml_feed(x, gw_span_str(rows[i].head));
        unsigned n = 0;
        char text[64 * 40];
        for (; err == GW_OK && n < 1u << 20;) {
            size_t len = 0;
            for (unsigned k = 0; k < 40; k++, n++)
                len +=
                    (size_t)(rows[i].numbered
                                 ? snprintf(text + len, sizeof text - len,
                                            i == 4 ? "<n%u/>" : "<x xmlns:n%u=\"urn:%u\"/>", n, n)
                                 : snprintf(text + len, sizeof text - len, "%s", rows[i].piece));
            err = dav_xml_feed(x, gw_span_of(text, len));
        }
        if (err != GW_BAD_MESSAGE)
            print_error("row %zu: %s after %u\n", i, gw_err_name(err), n);
        assert_int_equal(err, GW_BAD_MESSAGE);
        assert_int_equal(dav_xml_feed(x, gw_span_str("x")), GW_BAD_MESSAGE); /* sticks */
        dav_xml_free(&x);
    }
}

/* Any number of entries in bounded memory. */
static void test_many(void **state)
{
    (void)state;
    struct seen s = {0};
    struct dav_xml *x = dav_xml_new(on_item, &s);
    assert_int_equal(dav_xml_feed(x, gw_span_str(HEAD)), GW_OK);
    for (unsigned i = 0; i < 200000; i++) {
        char text[200];
        int n = snprintf(text, sizeof text,
                         "<D:response><D:href>/dav/file%u</D:href><D:propstat><D:prop>"
                         "<D:getcontentlength>%u</D:getcontentlength></D:prop>" OK
                         "</D:propstat></D:response>",
                         i, i);
        assert_int_equal(dav_xml_feed(x, gw_span_of(text, (size_t)n)), GW_OK);
    }
    assert_int_equal(s.n, 200000);
    assert_int_equal(s.last.size, 199999);
    assert_int_equal(dav_xml_feed(x, gw_span_str(TAIL)), GW_OK);
    assert_int_equal(dav_xml_end(x), GW_OK);
    dav_xml_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_folder_and_quota),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
