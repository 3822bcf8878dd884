#include "backends/s3/s3_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/fs.h"
#include "gateway/base/mem.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        bool ok;
    } rows[] = {
        {"a", 1, true},
        {"", 0, false},
        {".", 1, false},
        {"..", 2, false},
        {"...", 3, true},
        {".a", 2, true},
        {"a/b", 3, false},
        {"a\0b", 3, false},
        {"a\nb", 3, true},
        {"\xc3\xbc", 2, true},
        {"\xc3", 1, false},
        {"\xc0\xaf", 2, false},         /* overlong slash */
        {"\xe0\x80\xaf", 3, false},     /* overlong */
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xf4\x8f\xbf\xbf", 4, true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", 4, false}, /* beyond it */
        {"\xff", 1, false},
        {"\x80", 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (fs_name_ok(rows[i].name, rows[i].n) != rows[i].ok)
            print_error("row %zu\n", i);
        assert_int_equal(fs_name_ok(rows[i].name, rows[i].n), rows[i].ok);
    }
}

/* Keys below "p/" in the order of a listing, a bar where a page ends; folders end in a slash. */
struct row {
    const char *keys;
    const char *want; /* the names page by page */
    size_t hidden;
};

static const struct row rows[] = {
    {"a b c/", "a b c/", 0},
    {"d d-x d/", "d-x d/", 0},
    {"d | d/", "| d/", 0},
    {"d d-x | d-y | d/ e", "| d-x | d-y d/ e", 0},
    {"d d-x | d-y | e", "| d-x | d d-y e", 0},
    {"d d-x | e", "| d d-x e", 0},
    {"d | d-x | e", "| | d d-x e", 0},
    {"a aa aaa | aaaa | aaaa/ b", "| | a aa aaa aaaa/ b", 0},
    {"a b | b/", "a | b/", 0},
    {"/ ./ ../ x", "x", 3},
    {". .. x", "x", 2},
    {"\xff x", "x", 1},
};

static void add(struct s3_page *p, const char *name, size_t n)
{
    char key[128];
    snprintf(key, sizeof key, "p/%.*s", (int)n, name);
    const struct s3_xml_item item = {
        .key = key, .key_len = strlen(key), .prefix = n > 0 && name[n - 1] == '/', .size = 1};
    assert_true(s3_page_add(p, &item, 2));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void show(const struct s3_page *p, struct gw_buf *out)
{
    const char *names[32];
    char texts[32][64];
    for (size_t i = 0; i < p->n; i++) {
        snprintf(texts[i], sizeof texts[i], "%s%s", s3_page_name(p, &p->v[i]),
                 p->v[i].dir ? "/" : "");
        names[i] = texts[i];
    }
    if (p->n > 0)
        qsort(names, p->n, sizeof names[0], by_text);
    for (size_t i = 0; i < p->n; i++)
        gw_buf_printf(out, "%s%s", out->len > 0 ? " " : "", names[i]);
}

static void test_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_page page;
        struct s3_page next;
        struct gw_buf out;
        size_t hidden = 0;
        gw_buf_init(&out, 4096);
        s3_page_init(&page);
        for (const char *at = rows[i].keys;; at += strcspn(at, " "), at += *at == ' ') {
            size_t n = strcspn(at, " ");
            bool bar = n == 1 && *at == '|';
            if (n > 0 && !bar) {
                add(&page, at, n);
                continue;
            }
            s3_page_init(&next);
            s3_page_settle(&page, bar, &next);
            show(&page, &out);
            hidden += page.hidden;
            s3_page_free(&page);
            page = next;
            if (n == 0)
                break;
            gw_buf_printf(&out, "%s|", out.len > 0 ? " " : "");
        }
        s3_page_free(&page);
        if (strcmp(gw_buf_cstr(&out), rows[i].want) != 0)
            print_error("row %s: %s\n", rows[i].keys, gw_buf_cstr(&out));
        assert_string_equal(gw_buf_cstr(&out), rows[i].want);
        assert_int_equal(hidden, rows[i].hidden);
        gw_buf_free(&out);
    }
}

/* The marker of the folder itself is no entry, but shows that the folder is there. */
static void test_marker(void **state)
{
    (void)state;
    struct s3_page page;
    s3_page_init(&page);
    add(&page, "", 0);
    assert_true(page.any);
    assert_int_equal(page.n, 0);
    assert_int_equal(page.hidden, 0);
    s3_page_free(&page);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 8; n++) {
        struct s3_page page;
        s3_page_init(&page);
        const struct s3_xml_item item = {.key = "p/name", .key_len = 6};
        mem_fail_after(n);
        (void)s3_page_add(&page, &item, 2);
        mem_fail_after(0);
        s3_page_free(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
