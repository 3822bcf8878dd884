#include "gateway/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Connects, and says which limit refused. */
static const char *enter(struct admission *a, const char *from, struct admission_ticket **t)
{
    struct sockaddr_storage ss = {0};
    if (inet_pton(AF_INET, from, &((struct sockaddr_in *)&ss)->sin_addr) == 1)
        ss.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, from, &((struct sockaddr_in6 *)&ss)->sin6_addr) == 1)
        ss.ss_family = AF_INET6;
    else
        fail_msg("bad address %s", from);
    return admission_enter(a, &ss, t);
}

static const struct {
    const char *name;
    uint32_t connections, per_source, unauthenticated;
    const char *from[4]; /* the last one is refused */
    bool log_in;
    const char *why;
} rows[] = {
    {"all", 3, 10, 10, {"10.0.0.1", "10.0.0.2", "::1", "10.0.0.4"}, true, "limits.connections"},
    {"one source",
     9,
     3,
     9,
     {"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"},
     true,
     "limits.connections_per_source"},
    {"mapped IPv4 is IPv4",
     9,
     3,
     9,
     {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1"},
     true,
     "limits.connections_per_source"},
    {"an IPv6 /64",
     9,
     3,
     9,
     {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::ffff"},
     true,
     "limits.connections_per_source"},
    {"not logged in",
     9,
     9,
     3,
     {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"},
     false,
     "limits.unauthenticated"},
};

static void limits_refuse_and_free_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("row: %s\n", rows[i].name);
        struct settings_limits limits = {.connections = rows[i].connections,
                                         .connections_per_source = rows[i].per_source,
                                         .unauthenticated = rows[i].unauthenticated};
        struct admission *a = admission_new(&limits);
        struct admission_ticket *t[4] = {NULL};
        for (int k = 0; k < 3; k++) {
            assert_null(enter(a, rows[i].from[k], &t[k]));
            if (rows[i].log_in)
                admission_logged_in(t[k]);
        }
        assert_string_equal(enter(a, rows[i].from[3], &t[3]), rows[i].why);
        assert_null(t[3]);
        assert_int_equal(admission_count(a), 3);
        admission_leave(&t[1]);
        assert_null(enter(a, rows[i].from[3], &t[3]));
        for (int k = 0; k < 4; k++)
            admission_leave(&t[k]);
        assert_int_equal(admission_count(a), 0);
        admission_free(&a);
    }
}

static void another_source_is_not_refused(void **state)
{
    (void)state;
    struct settings_limits limits = {
        .connections = 9, .connections_per_source = 1, .unauthenticated = 9};
    struct admission *a = admission_new(&limits);
    static const char *const from[] = {"2001:db8:0:1::1", "2001:db8:0:2::1", "192.0.2.1"};
    struct admission_ticket *t[3] = {NULL};
    for (int i = 0; i < 3; i++)
        assert_null(enter(a, from[i], &t[i]));
    for (int i = 0; i < 3; i++)
        admission_leave(&t[i]);
    admission_free(&a);
}

static void logging_in_counts_once(void **state)
{
    (void)state;
    struct settings_limits limits = {
        .connections = 9, .connections_per_source = 9, .unauthenticated = 1};
    struct admission *a = admission_new(&limits);
    struct admission_ticket *t[3] = {NULL};
    assert_null(enter(a, "10.0.0.1", &t[0]));
    assert_non_null(enter(a, "10.0.0.2", &t[1]));
    admission_logged_in(t[0]);
    admission_logged_in(t[0]);
    assert_null(enter(a, "10.0.0.2", &t[1]));
    /* Its end must not free the place of another one that has not logged in. */
    admission_leave(&t[0]);
    assert_non_null(enter(a, "10.0.0.3", &t[2]));
    admission_leave(&t[1]);
    assert_null(enter(a, "10.0.0.3", &t[2]));
    admission_leave(&t[2]);
    admission_free(&a);
}

static void new_limits_hold_for_those_to_come(void **state)
{
    (void)state;
    struct settings_limits limits = {
        .connections = 1, .connections_per_source = 9, .unauthenticated = 9};
    struct admission *a = admission_new(&limits);
    struct admission_ticket *t[2] = {NULL};
    assert_null(enter(a, "10.0.0.1", &t[0]));
    assert_non_null(enter(a, "10.0.0.2", &t[1]));
    limits.connections = 2;
    admission_set_limits(a, &limits);
    assert_null(enter(a, "10.0.0.2", &t[1]));
    admission_leave(&t[0]);
    admission_leave(&t[1]);
    admission_free(&a);
}

static void sessions_of_a_user(void **state)
{
    (void)state;
    struct settings_limits limits = {
        .connections = 9, .connections_per_source = 9, .unauthenticated = 9};
    struct admission *a = admission_new(&limits);
    struct admission_ticket *t[4] = {NULL};
    for (int i = 0; i < 4; i++)
        assert_null(enter(a, "10.0.0.1", &t[i]));
    assert_true(admission_user(t[0], "alice", 0)); /* without a limit it counts all the same */
    assert_true(admission_user(t[1], "alice", 2));
    assert_false(admission_user(t[2], "alice", 2));
    assert_true(admission_user(t[2], "bob", 1));
    assert_false(admission_user(t[3], "alice", 2));
    admission_leave(&t[0]);
    assert_true(admission_user(t[3], "alice", 2));
    for (int i = 1; i < 4; i++)
        admission_leave(&t[i]);
    assert_null(enter(a, "10.0.0.1", &t[0]));
    assert_true(admission_user(t[0], "alice", 1)); /* nothing of them is left */
    admission_leave(&t[0]);
    admission_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_refuse_and_free_again),
        cmocka_unit_test(another_source_is_not_refused),
        cmocka_unit_test(logging_in_counts_once),
        cmocka_unit_test(new_limits_hold_for_those_to_come),
        cmocka_unit_test(sessions_of_a_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
