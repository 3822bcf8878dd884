/* Every row of every option table that the program has: whole, documented, with a default that it
 * takes itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "backends/backends.h"
#include "config/settings.h"
#include "gateway/base/mem.h"

static void check_table(const struct opt_spec *tab, const char *path)
{
    for (const struct opt_spec *row = tab; row->key != NULL; row++) {
        char at[256];
        snprintf(at, sizeof at, "%s.%s", path, row->key);
        for (const struct opt_spec *other = tab; other < row; other++)
            if (strcmp(other->key, row->key) == 0)
                fail_msg("%s is there twice", at);
        if (strcmp(row->key, "type") == 0 && path[0] == '@' && strchr(path, '.') == NULL)
            fail_msg("%s: \"type\" picks the kind", at);
        if ((row->flags & OPT_LATER) != 0)
            continue;
        if (row->help == NULL || row->help[0] == '\0')
            fail_msg("%s has no help", at);
        if (row->max != 0 && row->min > row->max)
            fail_msg("%s: min is above max", at);
        if ((row->flags & OPT_REQUIRED) != 0 && row->dflt != NULL)
            fail_msg("%s is required and has a default", at);
        bool has_sub = row->type == OPT_OBJECT || row->type == OPT_LIST || row->type == OPT_MAP;
        if (has_sub != (row->sub != NULL))
            fail_msg("%s: a table below it, or none", at);
        if ((row->type == OPT_LIST || row->type == OPT_MAP) && row->size == 0)
            fail_msg("%s: the size of an element is missing", at);
        if (row->type == OPT_ENUM && (row->names == NULL || row->dflt == NULL))
            fail_msg("%s: names and a default are missing", at);
        if (row->sub != NULL)
            check_table(row->sub, at);
    }
}

/* Defaults alone make a struct without a problem, and one that can be shown and freed. */
static void check_defaults(const struct opt_spec *tab, size_t size, const char *path)
{
    struct opt_reader r = {.nproblems = 0};
    void *conf = mem_zalloc(size);
    gw_buf_init(&r.problems, 65536);
    options_read(&r, tab, NULL, path, conf);
    if (r.nproblems > 0)
        fail_msg("%s", gw_buf_cstr(&r.problems));
    json_t *shown = options_print(tab, conf);
    assert_non_null(shown);
    json_decref(shown);
    options_free(tab, conf);
    options_free(tab, conf); /* zero again: nothing is freed twice */
    mem_free(conf);
    gw_buf_free(&r.problems);
}

static void check_kinds(const struct opt_kinds *kinds)
{
    assert_true(kinds->n > 0);
    for (size_t i = 0; i < kinds->n; i++) {
        char at[64];
        snprintf(at, sizeof at, "@%s", kinds->v[i].name);
        assert_non_null(kinds->v[i].help);
        check_table(kinds->v[i].tab, at);
        check_defaults(kinds->v[i].tab, kinds->v[i].size, at);
        for (size_t j = 0; kinds->later != NULL && kinds->later[j] != NULL; j++)
            assert_string_not_equal(kinds->later[j], kinds->v[i].name);
    }
}

static void test_settings_table(void **state)
{
    (void)state;
    check_table(settings_table, "");
    check_defaults(settings_table, sizeof(struct settings), "");
}

static void test_backends(void **state)
{
    (void)state;
    check_kinds(backend_kinds());
}

static void test_verifiers(void **state)
{
    (void)state;
    check_kinds(auth_kinds());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings_table),
                                       cmocka_unit_test(test_backends),
                                       cmocka_unit_test(test_verifiers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
