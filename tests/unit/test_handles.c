#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/sftp/handles.h"

static struct handle *add(struct handles *hs, const char *path, uint32_t flags)
{
    assert_true(handles_take_place(hs));
    struct handle *h = handles_add(hs, path);
    assert_non_null(h);
    h->flags = flags;
    return h;
}

static struct gw_span wire_of(const struct handle *h, uint8_t out[HANDLES_WIRE_BYTES])
{
    handles_wire(h, out);
    return gw_span_of(out, HANDLES_WIRE_BYTES);
}

static void test_places(void **state)
{
    (void)state;
    struct handles hs;
    handles_init(&hs, 3);
    struct handle *a = add(&hs, "/a", 0);
    struct handle *b = add(&hs, "/b", 0);
    assert_true(handles_take_place(&hs)); /* an OPEN under way counts */
    assert_false(handles_take_place(&hs));
    handles_give_back(&hs);
    struct handle *c = add(&hs, "/c", 0);
    handles_hide(&hs, c);
    assert_false(handles_take_place(&hs)); /* a CLOSE under way counts */
    handles_remove(&hs, &c);
    assert_null(c);
    assert_true(handles_take_place(&hs));
    handles_give_back(&hs);
    handles_remove(&hs, &a);
    handles_remove(&hs, &b);
    handles_free(&hs);
}

/* A handle finds itself and nothing else, however one bit of it is changed. */
static void test_every_bit_counts(void **state)
{
    (void)state;
    uint8_t wire[HANDLES_WIRE_BYTES];
    struct handles hs;
    handles_init(&hs, 100);
    struct handle *all[20];
    for (size_t i = 0; i < 20; i++)
        all[i] = add(&hs, "/x", 0);
    for (size_t i = 0; i < 20; i++) {
        struct gw_span w = wire_of(all[i], wire);
        assert_ptr_equal(handles_find(&hs, w), all[i]);
        for (unsigned bit = 0; bit < 8 * HANDLES_WIRE_BYTES; bit++) {
            wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_null(handles_find(&hs, w));
            wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_null(handles_find(&hs, gw_span_of(wire, HANDLES_WIRE_BYTES - 1)));
    }
    for (size_t i = 0; i < 20; i++) {
        struct gw_span w = wire_of(all[i], wire);
        handles_remove(&hs, &all[i]);
        assert_null(handles_find(&hs, w));
        struct handle *again = add(&hs, "/y", 0); /* the same slot */
        assert_null(handles_find(&hs, w));
        handles_remove(&hs, &again);
    }
    handles_free(&hs);
}

static void test_writer(void **state)
{
    (void)state;
    struct handles hs;
    handles_init(&hs, 10);
    struct handle *r = add(&hs, "/a", FS_READ);
    assert_null(handles_writer(&hs, "/a"));
    struct handle *w1 = add(&hs, "/a", FS_WRITE);
    assert_ptr_equal(handles_writer(&hs, "/a"), w1);
    struct handle *w2 = add(&hs, "/a", FS_WRITE | FS_READ);
    assert_ptr_equal(handles_writer(&hs, "/a"), w2);
    handles_hide(&hs, w2);
    assert_ptr_equal(handles_writer(&hs, "/a"), w1);
    assert_null(handles_writer(&hs, "/b"));
    handles_remove(&hs, &r);
    handles_remove(&hs, &w1);
    handles_remove(&hs, &w2);
    handles_free(&hs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_places),
                                       cmocka_unit_test(test_every_bit_counts),
                                       cmocka_unit_test(test_writer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
