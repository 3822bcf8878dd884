#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/vfs/vpath.h"

/* want NULL = refused */
static const struct {
    const char *cwd, *wire, *want;
    size_t len; /* 0 = strlen(wire) */
} resolve_rows[] = {
    {"/", "", "/", 0},
    {"/home", "", "/home", 0},
    {"/home", ".", "/home", 0},
    {"/home", "a", "/home/a", 0},
    {"/home", "/a", "/a", 0},
    {"/home", "..", "/", 0},
    {"/home", "../../../etc/passwd", "/etc/passwd", 0},
    {"/", "/../..", "/", 0},
    {"/", "//a///b//", "/a/b", 0},
    {"/", "/a/./b/../c/", "/a/c", 0},
    {"/", "/a/b/../../..", "/", 0},
    {"/", "/...", "/...", 0},
    {"/", "/..a/.b", "/..a/.b", 0},
    {"/", "%2e%2e/a", "/%2e%2e/a", 0},
    {"/x", "..\\..\\a", "/x/..\\..\\a", 0},
    {"/", "/ ", "/ ", 0},
    {"/", "/\n\x1b[2J", "/\n\x1b[2J", 0},
    {"/", "/gr\xc3\xbc\xc3\x9f", "/gr\xc3\xbc\xc3\x9f", 0},
    {"/", "/\xf0\x9f\x98\x80", "/\xf0\x9f\x98\x80", 0},
    {"/", "/a\0b", NULL, 4},
    {"/", "\0", NULL, 1},
    {"/", "/\xc0\xae\xc0\xae/", NULL, 0},    /* overlong ".." */
    {"/", "/\xe0\x80\xaf", NULL, 0},         /* overlong "/" */
    {"/", "/\xed\xa0\x80", NULL, 0},         /* a surrogate */
    {"/", "/\xf4\x90\x80\x80", NULL, 0},     /* past U+10FFFF */
    {"/", "/\xf8\x88\x80\x80\x80", NULL, 0}, /* five bytes */
    {"/", "/\xc3", NULL, 0},                 /* cut off */
    {"/", "/\xc3/", NULL, 0},
    {"/", "/\x80", NULL, 0},
    {"/", "/\xff", NULL, 0},
};

static void test_resolve(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof resolve_rows / sizeof resolve_rows[0]; i++) {
        size_t len = resolve_rows[i].len != 0 ? resolve_rows[i].len : strlen(resolve_rows[i].wire);
        struct vpath out;
        enum gw_err err =
            vpath_resolve(resolve_rows[i].cwd, gw_span_of(resolve_rows[i].wire, len), &out);
        if (resolve_rows[i].want == NULL) {
            assert_int_equal(err, GW_BAD_NAME);
            continue;
        }
        assert_int_equal(err, GW_OK);
        assert_string_equal(out.s, resolve_rows[i].want);
        assert_int_equal(out.len, strlen(out.s));
    }
}

static void test_length(void **state)
{
    (void)state;
    static char wire[FS_PATH_MAX + 100];
    struct vpath out;
    memset(wire, 'x', sizeof wire);
    wire[0] = '/';
    assert_int_equal(vpath_resolve("/", gw_span_of(wire, FS_PATH_MAX - 1), &out), GW_OK);
    assert_int_equal(out.len, FS_PATH_MAX - 1);
    assert_int_equal(vpath_resolve("/", gw_span_of(wire, FS_PATH_MAX), &out), GW_BAD_NAME);
    assert_int_equal(vpath_resolve("/a", gw_span_of(wire + 1, FS_PATH_MAX - 3), &out), GW_BAD_NAME);
    /* What counts is the path, not how long it was written. */
    memset(wire, '/', sizeof wire);
    assert_int_equal(vpath_resolve("/", gw_span_of(wire, sizeof wire), &out), GW_OK);
    assert_string_equal(out.s, "/");
}

static const struct {
    const char *p, *top, *rest;
} under_rows[] = {
    {"/a/b", "/", "/a/b"}, {"/", "/", "/"},   {"/a", "/a", "/"},    {"/a/b", "/a", "/b"},
    {"/ab", "/a", NULL},   {"/", "/a", NULL}, {"/a", "/a/b", NULL}, {"/b/a", "/a", NULL},
};

static void test_under(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof under_rows / sizeof under_rows[0]; i++) {
        const char *rest;
        bool is = vpath_under(under_rows[i].p, under_rows[i].top, &rest);
        assert_int_equal(is, under_rows[i].rest != NULL);
        if (is)
            assert_string_equal(rest, under_rows[i].rest);
        else
            assert_null(rest);
    }
}

static const struct {
    const char *p, *parent, *name;
} split_rows[] = {
    {"/", "/", "/"}, {"/a", "/", "a"}, {"/a/b", "/a", "b"}, {"/a/b/cc", "/a/b", "cc"}};

static void test_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof split_rows / sizeof split_rows[0]; i++) {
        struct vpath parent;
        vpath_parent(split_rows[i].p, &parent);
        assert_string_equal(parent.s, split_rows[i].parent);
        assert_int_equal(parent.len, strlen(parent.s));
        assert_string_equal(vpath_name(split_rows[i].p), split_rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_under),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
