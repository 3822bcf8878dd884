/* The notes of what is begun, on good days and on bad ones; what is begun and not wanted any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/s3/s3_initiate.h"
#include "backends/s3/s3_journal.h"
#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

/* Instead of the C library's. Set: another gateway tidies up between our making of a run's file and
 * our lock on it, once. */
static atomic_bool tidied;

int flock(int fd, int how)
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0 && atomic_exchange(&tidied, false)) {
        path[n] = '\0';
        assert_int_equal(unlink(path), 0);
    }
    return (int)syscall(SYS_flock, fd, how);
}

struct fixture {
    struct s3_lab *stub;
    struct s3_lab lab; /* of a state folder */
    char dir[PATH_MAX];
};

static void open_lab(struct fixture *x)
{
    x->lab = (struct s3_lab){.stub = x->stub->stub};
    s3_lab_conf(&x->lab, x->lab.stub);
    s3_lab_open(&x->lab, "p", x->dir, 64 * S3_LAB_MIB);
}

static struct s3_store *store_of(struct fixture *x)
{
    return (struct s3_store *)x->lab.backend;
}

/* Notes and uploads that stand in the journal. */
static unsigned entries(const struct fixture *x)
{
    char path[PATH_MAX + 16];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/s3-uploads", x->dir);
    DIR *d = opendir(path);
    const struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL)
        n += strchr(e->d_name, '-') != NULL;
    if (d != NULL)
        closedir(d);
    return n;
}

static bool noted(const struct fixture *x, const char *key)
{
    struct s3_journal_entry *living;
    size_t n;
    assert_true(s3_journal_living(x->dir, "lab", x->lab.conf.bucket, &living, &n));
    bool found = s3_journal_has(living, n, key);
    s3_journal_free(&living, n);
    return found;
}

struct begun {
    unsigned calls;
    enum gw_err err;
    bool id;
};

static void begun(void *arg, enum gw_err err, const char *text, const char *upload_id)
{
    struct begun *b = arg;
    (void)text;
    *b = (struct begun){b->calls + 1, err, upload_id != NULL};
}

static bool is_begun(void *arg)
{
    return ((const struct begun *)arg)->calls > 0;
}

/* The note, S3's answer and the id are each a turn or more: it is cancelled after every one. What
 * S3 has begun is ended, and nothing of it is in the journal. */
static void test_cancelled_at_every_turn(void **state)
{
    struct fixture x = {.stub = *state};
    unsigned asked = 0, turns = 0;
    bool over = false;
    storekit_folder(x.dir);
    for (; !over; turns++) {
        struct begun b = {0};
        open_lab(&x);
        struct op *op = s3_initiate_start(store_of(&x), "p/f", NULL, 0, begun, &b);
        for (unsigned i = 0; i < turns && b.calls == 0; i++)
            loop_turn(x.lab.loop);
        over = b.calls > 0;
        if (!over)
            op_cancel(&op);
        s3_lab_close(&x.lab); /* ends what goes on alone */
        assert_int_equal(b.calls, over);
        assert_int_equal(s3_stub_uploads(x.stub->stub), over);
        assert_int_equal(entries(&x), over);
        asked += s3_stub_requests(x.stub->stub, "DELETE");
    }
    assert_true(turns > 3);
    assert_true(asked > 0);
    storekit_folder_remove(x.dir);
}

/* The answer to what was cancelled never comes: the next start has to look for the upload. */
static void test_cancelled_without_an_answer(void **state)
{
    struct fixture x = {.stub = *state};
    struct begun b = {0};
    storekit_folder(x.dir);
    open_lab(&x);
    s3_stub_fail(x.lab.stub, S3_STUB_LOSE_ANSWER, "POST", "uploads", 0, 1000);
    struct op *op = s3_initiate_start(store_of(&x), "p/f", NULL, 0, begun, &b);
    op_cancel(&op);
    s3_lab_close(&x.lab);
    assert_int_equal(b.calls, 0);
    assert_true(s3_stub_uploads(x.stub->stub) > 0);
    assert_int_equal(entries(&x), 1);
    storekit_folder_remove(x.dir);
}

/* The id is longer than the note, and the disk is full: with the note the next start finds it. */
static void test_no_room_for_the_id(void **state)
{
    struct fixture x = {.stub = *state};
    struct begun b = {0};
    struct rlimit before, few;
    storekit_folder(x.dir);
    open_lab(&x);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    few = before;
    few.rlim_cur = strlen("lab\n") + strlen(x.lab.conf.bucket) + strlen("\n\np/full");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    (void)s3_initiate_start(store_of(&x), "p/full", NULL, 0, begun, &b);
    bool over = sync_until(x.lab.loop, is_begun, &b);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(over && b.err == GW_OK && b.id);
    assert_int_equal(entries(&x), 1);
    assert_true(noted(&x, "p/full"));
    s3_lab_close(&x.lab);
    storekit_folder_remove(x.dir);
}

/* The lines before the key end at their first newline, the key at the end of the file. */
static void test_key_with_a_newline(void **state)
{
    static const char KEY[] = "p/new\nline\n";
    struct fixture x = {.stub = *state};
    struct begun b = {0};
    storekit_folder(x.dir);
    open_lab(&x);
    (void)s3_initiate_start(store_of(&x), KEY, NULL, 0, begun, &b);
    assert_true(sync_until(x.lab.loop, is_begun, &b));
    assert_int_equal(b.err, GW_OK);
    assert_true(noted(&x, KEY));
    assert_false(noted(&x, "p/new"));
    assert_false(noted(&x, "p/new\nline"));
    assert_false(noted(&x, "line\n"));
    s3_lab_close(&x.lab);
    storekit_folder_remove(x.dir);
}

/* What is stored is stored; what is not wanted is ended. */
static void test_state_folder_that_is_gone(void **state)
{
    struct fixture x = {.stub = *state};
    struct fs_file *f;
    struct sync closed;
    struct mover up = {0};
    storekit_folder(x.dir);
    open_lab(&x);
    assert_int_equal(mover_upload(x.lab.fs, "/a", MOVER_NEW, 3 * S3_LAB_MIB, &closed), GW_OK);
    assert_int_equal(sync_open(x.lab.fs, "/b", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 3 * S3_LAB_MIB, 32768, 8), GW_OK);
    storekit_folder_remove(x.dir);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(mover_upload(x.lab.fs, "/c", MOVER_NEW, 3 * S3_LAB_MIB, &closed), GW_OK);
    assert_int_equal(s3_stub_object(x.lab.stub, "p/b", NULL), 3 * S3_LAB_MIB);
    assert_int_equal(s3_stub_object(x.lab.stub, "p/c", NULL), 3 * S3_LAB_MIB);
    assert_int_equal(sync_open(x.lab.fs, "/d", MOVER_NEW, &f), GW_OK);
    up = (struct mover){0};
    assert_int_equal(mover_run(&up, f, 3 * S3_LAB_MIB, 32768, 8), GW_OK);
    fs_abort(&f);
    assert_true(sync_until(x.lab.loop, s3_lab_no_uploads, &x.lab));
    s3_lab_close(&x.lab);                    /* ends what goes on alone */
    assert_int_equal(mkdir(x.dir, 0700), 0); /* and is there again: so is the journal */
    open_lab(&x);
    struct begun b = {0};
    (void)s3_initiate_start(store_of(&x), "p/e", NULL, 0, begun, &b);
    assert_true(sync_until(x.lab.loop, is_begun, &b));
    assert_int_equal(entries(&x), 1);
    s3_lab_close(&x.lab);
    storekit_folder_remove(x.dir);
}

/* Where the run has no file any more, other gateways take it for dead, and end what it uploads. */
static void test_run_that_is_tidied_away(void **state)
{
    struct fixture x = {.stub = *state};
    struct begun b = {0};
    char path[PATH_MAX + 16];
    unsigned runs = 0;
    storekit_folder(x.dir);
    open_lab(&x);
    atomic_store(&tidied, true);
    (void)s3_initiate_start(store_of(&x), "p/tidied", NULL, 0, begun, &b);
    assert_true(sync_until(x.lab.loop, is_begun, &b));
    assert_false(atomic_load(&tidied));
    snprintf(path, sizeof path, "%s/s3-uploads", x.dir);
    DIR *d = opendir(path);
    const struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL)
        runs += strstr(e->d_name, ".run") != NULL;
    closedir(d);
    assert_int_equal(runs, 1);
    s3_lab_close(&x.lab);
    storekit_folder_remove(x.dir);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, s3_lab_setup, s3_lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_cancelled_at_every_turn),   ROW(test_cancelled_without_an_answer),
        ROW(test_no_room_for_the_id),        ROW(test_key_with_a_newline),
        ROW(test_state_folder_that_is_gone), ROW(test_run_that_is_tidied_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
