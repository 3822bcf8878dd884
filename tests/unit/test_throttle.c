#include "auth/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "tests/support/authkit.h"

#define HERE  "192.0.2.7"
#define THERE "198.51.100.9"

static struct settings *with(const char *throttle)
{
    char *auth = mem_printf("{\"verifiers\":[{\"type\":\"file\",\"path\":\"/nowhere\"}],"
                            "\"throttle\":%s}",
                            throttle);
    struct settings *s = authkit_settings(auth, "{}");
    mem_free(auth);
    return s;
}

static struct throttle *begin(const char *throttle)
{
    struct settings *s = with(throttle);
    struct throttle *t = throttle_new(s);
    settings_unref(&s); /* it has a reference of its own */
    return t;
}

/* What the n-th failure in a row leads to is the row's last word; those before lead to nothing. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        const char *address, *users[2]; /* in turn */
        unsigned failures;
        uint64_t step_ms;
        enum throttle_ban want;
    } rows[] = {
        {"{}", HERE, {"a", "a"}, 1000, 1, THROTTLE_FREE},
        {"{\"failures\":3}", HERE, {"a", "a"}, 3, 1, THROTTLE_USER},
        {"{\"failures\":3}", HERE, {"a", "b"}, 5, 1, THROTTLE_USER},
        {"{\"failures\":1,\"source_failures\":100}", HERE, {"a", "a"}, 1, 1, THROTTLE_USER},
        {"{\"source_failures\":5}", HERE, {"a", "a"}, 5, 1, THROTTLE_SOURCE},
        {"{\"source_failures\":5}", HERE, {"a", "b"}, 5, 1, THROTTLE_SOURCE},
        {"{\"failures\":3,\"window_s\":10}", HERE, {"a", "a"}, 20, 5000, THROTTLE_FREE},
        {"{\"failures\":3,\"window_s\":10}", HERE, {"a", "a"}, 3, 4999, THROTTLE_USER},
        {"{\"failures\":3,\"exempt\":[\"192.0.2.0/24\"]}", HERE, {"a", "a"}, 50, 1, THROTTLE_FREE},
        {"{\"failures\":3,\"exempt\":[\"192.0.2.0/24\"]}", THERE, {"a", "a"}, 3, 1, THROTTLE_USER},
        {"{\"failures\":3}", "", {"a", "a"}, 50, 1, THROTTLE_FREE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct throttle *t = begin(rows[i].conf);
        uint64_t now = 1000;
        for (unsigned k = 1; k <= rows[i].failures; k++, now += rows[i].step_ms) {
            enum throttle_ban got =
                throttle_failed(t, rows[i].address, rows[i].users[(k - 1) % 2], "-", now);
            if (got != (k == rows[i].failures ? rows[i].want : THROTTLE_FREE))
                fail_msg("row %zu: failure %u led to %d", i, k, (int)got);
        }
        assert_int_equal(throttle_look(t, rows[i].address, "a", now), rows[i].want);
        throttle_free(&t);
    }
}

/* Four times `failures`, whoever fails; the others from there are free until then. */
static void test_user_before_source(void **state)
{
    (void)state;
    struct throttle *t = begin("{\"failures\":2}");
    bool first = false;
    assert_int_equal(throttle_failed(t, HERE, "a", "a", 1), THROTTLE_FREE);
    assert_int_equal(throttle_failed(t, HERE, "a", "a", 1), THROTTLE_USER);
    assert_int_equal(throttle_look(t, HERE, "a", 1), THROTTLE_USER);
    assert_int_equal(throttle_look(t, HERE, "b", 1), THROTTLE_FREE);
    assert_int_equal(throttle_look(t, THERE, "a", 1), THROTTLE_FREE);
    assert_false(throttle_refuses(t, HERE, 1, &first));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(throttle_failed(t, HERE,
                                         i % 2   ? "c"
                                         : i < 2 ? "d"
                                                 : "e",
                                         i % 2   ? "c"
                                         : i < 2 ? "d"
                                                 : "e",
                                         1),
                         i == 3 || i == 4 ? THROTTLE_USER : THROTTLE_FREE);
    assert_int_equal(throttle_failed(t, HERE, "f", "f", 1), THROTTLE_SOURCE);
    assert_int_equal(throttle_look(t, HERE, "b", 1), THROTTLE_SOURCE);
    assert_int_equal(throttle_look(t, THERE, "a", 1), THROTTLE_FREE);
    throttle_free(&t);
}

static void test_expiry_and_first_word(void **state)
{
    (void)state;
    struct throttle *t = begin("{\"source_failures\":1,\"ban_s\":5}");
    bool first = false;
    assert_int_equal(throttle_failed(t, HERE, "a", "a", 1000), THROTTLE_SOURCE);
    assert_true(throttle_refuses(t, HERE, 1001, &first));
    assert_true(first);
    assert_true(throttle_refuses(t, HERE, 5999, &first));
    assert_false(first);
    assert_false(throttle_refuses(t, HERE, 6000, &first));
    assert_int_equal(throttle_failed(t, HERE, "a", "a", 7000), THROTTLE_SOURCE); /* a new one */
    assert_true(throttle_refuses(t, HERE, 7001, &first));
    assert_true(first);
    struct throttle_counts c = throttle_counts(t);
    assert_int_equal(c.failures, 2);
    assert_int_equal(c.source_bans, 2);
    assert_int_equal(c.refused, 3);
    assert_int_equal(c.banned, 1);
    throttle_free(&t);
}

/* A line when it is over, once, and not before; whoever comes back first may be what ends it. */
static void test_end_is_logged(void **state)
{
    (void)state;
    static const struct {
        uint64_t tick_ms;
        bool comes; /* back, in place of the tick */
        unsigned lines;
    } rows[] = {{5999, false, 0}, {6000, false, 2}, {6000, true, 2}};
    char *path = authkit_file("");
    struct gw_errmsg msg;
    const struct log_conf conf = {
        .level = LOG_LVL_INFO, .format = LOG_TEXT, .output = LOG_TO_FILE, .path = path};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct throttle *t = begin("{\"failures\":1,\"source_failures\":1,\"ban_s\":5}");
        bool first;
        assert_int_equal(log_open(&conf, &msg), GW_OK);
        (void)throttle_failed(t, HERE, "secret", "shown", 1000);
        assert_true(throttle_refuses(t, HERE, 2000, &first));
        assert_int_equal(throttle_look(t, HERE, "secret", 2000), THROTTLE_SOURCE);
        if (rows[i].comes)
            assert_int_equal(throttle_look(t, HERE, "secret", rows[i].tick_ms), THROTTLE_FREE);
        throttle_tick(t, rows[i].tick_ms);
        throttle_tick(t, rows[i].tick_ms);
        throttle_free(&t);
        log_close();
        char text[4096] = "";
        FILE *f = fopen(path, "r+");
        size_t len = fread(text, 1, sizeof text - 1, f);
        assert_int_equal(ftruncate(fileno(f), 0), 0);
        (void)fclose(f);
        text[len] = '\0';
        unsigned lines = 0;
        for (const char *at = text; (at = strstr(at, "ban_end")) != NULL; at++)
            lines++;
        assert_int_equal(lines, rows[i].lines);
        assert_null(strstr(text, "secret"));
        if (lines > 0) {
            assert_non_null(strstr(text, "whom=user user=shown"));
            assert_non_null(strstr(text, "refused=2"));
        }
    }
    authkit_remove(&path);
}

static void test_sources(void **state)
{
    (void)state;
    static const struct {
        const char *fails, *comes;
        bool banned;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"192.0.2.7", "::ffff:192.0.2.7", true},
        {"2001:db8::1", "2001:db8::ffff:1:2:3", true}, /* one /64 */
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"192.0.2.7", "c000:207::", false},
        {"fe80::1%eth0", "fe80::2%eth0", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct throttle *t = begin("{\"source_failures\":1}");
        bool first;
        (void)throttle_failed(t, rows[i].fails, "a", "a", 1);
        if (throttle_refuses(t, rows[i].comes, 1, &first) != rows[i].banned)
            fail_msg("row %zu", i);
        throttle_free(&t);
    }
}

/* Who gets in is forgiven what failed in that name, and nothing else. */
static void test_success(void **state)
{
    (void)state;
    struct throttle *t = begin("{\"failures\":3,\"source_failures\":4}");
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(throttle_failed(t, HERE, "a", "a", 1), THROTTLE_FREE);
        assert_int_equal(throttle_failed(t, HERE, "a", "a", 1), THROTTLE_FREE);
        throttle_succeeded(t, HERE, "a", 1);
    }
    (void)throttle_failed(t, HERE, "b", "b", 1);
    (void)throttle_failed(t, HERE, "b", "b", 1);
    throttle_succeeded(t, HERE, "a", 1);
    assert_int_equal(throttle_failed(t, HERE, "c", "c", 1), THROTTLE_FREE);
    assert_int_equal(throttle_failed(t, HERE, "b", "b", 1), THROTTLE_SOURCE);
    throttle_free(&t);
}

/* Failures from ever new places push out counts, but neither a ban nor the bound. */
static void test_flood(void **state)
{
    (void)state;
    struct throttle *t = begin("{\"source_failures\":2}");
    char from[64];
    bool first;
    (void)throttle_failed(t, HERE, "a", "a", 1);
    assert_int_equal(throttle_failed(t, HERE, "a", "a", 1), THROTTLE_SOURCE);
    for (unsigned i = 0; i < 2 * THROTTLE_MAX; i++) {
        snprintf(from, sizeof from, "2001:db8:%x:%x::1", i >> 12, i & 0xfffu);
        assert_int_equal(throttle_failed(t, from, "a", "a", 2), THROTTLE_FREE);
    }
    assert_true(throttle_refuses(t, HERE, 2, &first));
    assert_int_equal(throttle_counts(t).counted, THROTTLE_MAX);
    assert_int_equal(throttle_counts(t).bans_evicted, 0);
    for (unsigned i = 0; i < THROTTLE_MAX; i++) { /* it takes as many bans: the oldest goes */
        snprintf(from, sizeof from, "2001:db9:%x:%x::1", i >> 12, i & 0xfffu);
        (void)throttle_failed(t, from, "a", "a", 3);
        (void)throttle_failed(t, from, "a", "a", 3);
    }
    assert_int_equal(throttle_counts(t).banned, THROTTLE_MAX);
    assert_int_equal(throttle_counts(t).bans_evicted, 1);
    assert_false(throttle_refuses(t, HERE, 3, &first));
    throttle_free(&t);
}

static void test_reload(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        bool banned;
    } rows[] = {{"{\"failures\":9}", true},
                {"{}", false},
                {"{\"failures\":9,\"exempt\":[\"" HERE "\"]}", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct throttle *t = begin("{\"source_failures\":1}");
        bool first;
        (void)throttle_failed(t, HERE, "a", "a", 1);
        struct settings *s = with(rows[i].conf);
        throttle_reload(t, s);
        settings_unref(&s);
        assert_int_equal(throttle_refuses(t, HERE, 1, &first), rows[i].banned);
        throttle_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_user_before_source),
        cmocka_unit_test(test_expiry_and_first_word),
        cmocka_unit_test(test_end_is_logged),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
