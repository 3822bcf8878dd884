#include "gateway/ssh/maxpacket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A capture as libssh writes it: each packet with its length field, or without (bare). */
static void put_packet(struct gw_buf *b, uint8_t type, uint32_t max, bool bare)
{
    struct gw_buf p;
    gw_buf_init(&p, 1024);
    size_t mark = bare ? 0 : gw_buf_begin_len(&p);
    gw_buf_put_u8(&p, 4); /* padding */
    gw_buf_put_u8(&p, type);
    gw_buf_put_cstr(&p, "session");
    gw_buf_put_u32(&p, 7);
    gw_buf_put_u32(&p, 2097152);
    gw_buf_put_u32(&p, max);
    gw_buf_put(&p, "\0\0\0\0", 4);
    if (!bare)
        gw_buf_end_len(&p, mark);
    gw_buf_put_u64(b, 0);
    gw_buf_put_u32(b, (uint32_t)p.len + 40);
    gw_buf_put_u32(b, (uint32_t)p.len + 40);
    for (int i = 0; i < 40; i++)
        gw_buf_put_u8(b, 0x45);
    gw_buf_put(b, p.data, p.len);
    gw_buf_free(&p);
}

static const struct {
    uint8_t type[3];
    uint32_t max[3];
    bool bare;
    uint32_t want;
} rows[] = {
    {{90}, {32768}, false, 32768},
    {{90}, {32768}, true, 32768},
    {{90}, {10}, false, 10},
    {{2, 90}, {9, 10}, true, 10},
    {{90, 80, 90}, {32768, 5, 1024}, false, 1024}, /* the last one counts */
    {{80}, {32768}, false, 0},
    {{0}, {0}, false, 0},
};

static void finds_the_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_buf b;
        gw_buf_init(&b, 65536);
        for (int k = 0; k < 24; k++)
            gw_buf_put_u8(&b, 0);
        for (size_t k = 0; k < 3 && rows[i].type[k] != 0; k++)
            put_packet(&b, rows[i].type[k], rows[i].max[k], rows[i].bare);
        assert_int_equal(maxpacket_parse(gw_buf_span(&b)), rows[i].want);
        /* Cut anywhere it is a smaller capture or none, never something else. */
        for (size_t n = 0; n < b.len; n++) {
            uint32_t got = maxpacket_parse(gw_span_of(b.data, n));
            assert_true(got == 0 || got == rows[i].max[0] || got == rows[i].max[1] ||
                        got == rows[i].max[2]);
        }
        gw_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
