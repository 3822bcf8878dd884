/* The spool's folder: what is refused and how, whose it becomes, what a start removes; its space.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/spool/spool.h"
#include "gateway/base/mem.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct fixture {
    char top[PATH_MAX];
    struct loop *loop;
    struct spool_space space;
};

static const char *at(const struct fixture *f, const char *name, char path[2 * PATH_MAX])
{
    snprintf(path, 2 * PATH_MAX, "%s/%s", f->top, name);
    return path;
}

static int setup(void **state)
{
    struct fixture *f = *state = mem_zalloc(sizeof *f);
    storekit_folder(f->top);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_free(&f->loop);
    storekit_folder_remove(f->top);
    mem_free(f);
    return 0;
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    char path[2 * PATH_MAX];
    char spool[2 * PATH_MAX];
    static const struct {
        const char *name, *words;
    } rows[] = {{"none", "no such folder"}, {"plain", "not a folder"}, {"linked", "owns"}};
    struct gw_errmsg msg = {""};
    struct spool *s;
    touch(at(f, "plain", path));
    assert_int_equal(mkdir(at(f, "linked", path), 0700), 0);
    assert_int_equal(symlink(f->top, at(f, "linked/spool", spool)), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        at(f, rows[i].name, path);
        assert_int_equal(spool_new(f->loop, path, 1 << 20, &f->space, &s, &msg), GW_CONFIG);
        assert_null(s);
        assert_non_null(strstr(msg.text, rows[i].words));
        assert_non_null(strstr(msg.text, path));
    }
    assert_int_equal(spool_check("state", &msg), GW_CONFIG);
    assert_non_null(strstr(msg.text, "absolute"));
    assert_int_equal(mkdir(at(f, "locked", path), 0500), 0);
    if (geteuid() != 0) {
        assert_int_equal(spool_check(path, &msg), GW_CONFIG);
        assert_non_null(strstr(msg.text, "may not write"));
    }
    assert_int_equal(spool_check(f->top, &msg), GW_OK);
    assert_false(exists(at(f, "spool", path))); /* a check makes nothing */
}

static void swept(void *arg, enum gw_err err, const char *text)
{
    *(struct op **)arg = NULL;
    assert_int_equal(err, GW_OK);
    assert_non_null(strstr(text, "1 "));
}

static bool is_null(void *arg)
{
    return *(struct op **)arg == NULL;
}

/* Made for us alone, also where somebody was generous; what a dead process left is removed, and
 * nothing else. */
static void test_folder_and_sweep(void **state)
{
    struct fixture *f = *state;
    char path[2 * PATH_MAX];
    char left[2 * PATH_MAX];
    char other[2 * PATH_MAX];
    struct stat st;
    struct spool *s;
    assert_int_equal(mkdir(at(f, "spool", path), 0755), 0);
    touch(at(f, "spool/.gateway-upload.0123456789abcdef01234567", left));
    touch(at(f, "spool/somebody's", other));
    assert_int_equal(spool_new(f->loop, f->top, 1 << 20, &f->space, &s, NULL), GW_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    struct op *op = spool_sweep(s, swept, &op);
    assert_true(sync_until(f->loop, is_null, &op));
    assert_false(exists(left));
    spool_free(&s);
    assert_true(exists(other));
}

static void test_space(void **state)
{
    struct fixture *f = *state;
    struct spool *spools[2]; /* of two loops */
    uint64_t held[3] = {0};  /* by three sessions: the first two on the first loop */
    assert_int_equal(spool_new(f->loop, f->top, 100, &f->space, &spools[0], NULL), GW_OK);
    assert_int_equal(spool_new(f->loop, f->top, 100, &f->space, &spools[1], NULL), GW_OK);
    static const struct {
        unsigned session;
        uint64_t from, to;
        bool ok;
        uint64_t held, used;
    } rows[] = {
        {0, 0, 101, false, 0, 0},   {0, 0, 76, false, 0, 0}, /* the last quarter is for others */
        {0, 0, 60, true, 60, 60},   {0, 0, 15, true, 75, 75},
        {0, 15, 16, false, 75, 75}, {1, 0, 26, false, 0, 75},
        {1, 0, 20, true, 20, 95},   {2, 0, 6, false, 0, 95},
        {2, 0, 5, true, 5, 100},    {2, 5, UINT64_MAX, false, 5, 100},
        {0, 60, 30, true, 45, 70},  {0, 30, 35, true, 50, 75},
        {0, 35, 36, false, 50, 75}, {1, 20, 20, true, 20, 75},
        {1, 20, 0, true, 0, 55},    {2, 5, 0, true, 0, 50},
        {0, 35, 0, true, 15, 15},   {0, 15, 0, true, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned n = rows[i].session;
        assert_int_equal(spool_resize(spools[n / 2], &held[n], rows[i].from, rows[i].to),
                         rows[i].ok);
        assert_int_equal(held[n], rows[i].held);
        assert_int_equal(f->space.used, rows[i].used);
    }
    spool_free(&spools[0]);
    spool_free(&spools[1]);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_refused),
        ROW(test_folder_and_sweep),
        ROW(test_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
