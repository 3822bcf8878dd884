/* "Did you mean": slips find their word, other words find none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/nearest.h"

static const char *const known[] = {"no_delay", "port",        "ports",
                                    "address",  "keepalive_s", "keepalive_count"};

static const struct {
    const char *word, *nearest;
} rows[] = {
    {"port", "port"},
    {"prot", "port"},  /* two neighbours swapped */
    {"Port", "port"},  /* another case */
    {"pot", "port"},   /* one missing */
    {"poort", "port"}, /* one too many */
    {"prts", "ports"},
    {"no-delay", "no_delay"}, /* another style */
    {"nodelay", "no_delay"},
    {"adress", "address"},
    {"keepalive", "keepalive_s"}, /* cut short: the first of the nearest */
    {"address_of_it", "address"}, /* drawn out */
    {"colour", NULL},
    {"x", NULL},
    {"", NULL},
    {"a_word_that_is_much_longer_than_any_key_of_any_table_ever_was", NULL},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nearest n = nearest_to(rows[i].word);
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            nearest_try(&n, known[j]);
        if (rows[i].nearest == NULL)
            assert_null(nearest_word(&n));
        else
            assert_string_equal(nearest_word(&n), rows[i].nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
