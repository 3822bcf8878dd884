/* What a killed gateway leaves in the bucket, and whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/s3_lab.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

/* Instead of the C library's, to be counted: how often a folder is read, and a run is asked whether
 * it lives. The pool calls them one after the other. */
static unsigned opened, locked;
static unsigned opening_fails; /* that one does; 0 = none */

DIR *opendir(const char *name)
{
    if (++opened == opening_fails) {
        errno = EMFILE;
        return NULL;
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

int flock(int fd, int how)
{
    locked++;
    return (int)syscall(SYS_flock, fd, how);
}

/* In a process of its own: begins an upload and is killed in the middle of it. */
static void be_killed(const struct s3_stub *stub, const char *state_dir)
{
    struct s3_lab e = {0};
    struct fs_file *f;
    struct mover up = {0};
    s3_lab_conf(&e, stub);
    s3_lab_open(&e, "p", state_dir, 64 * S3_LAB_MIB);
    if (sync_open(e.fs, "/killed", MOVER_NEW, &f) == GW_OK)
        (void)mover_run(&up, f, 4 * S3_LAB_MIB, 32768, 8);
    for (int i = 0; i < 50; i++) { /* the journal is the pool's */
        usleep(10000);
        loop_poll(e.loop);
    }
    kill(getpid(), SIGKILL);
}

static void begin_theirs(struct s3_lab *e, const char *key)
{
    const struct s3_param query[] = {{"uploads", NULL}};
    const struct s3_req theirs = {.method = "POST", .key = key, .query = query, .nquery = 1};
    assert_int_equal(s3_lab_request(e, &theirs), GW_OK);
}

static bool three_uploads(void *arg)
{
    return s3_stub_uploads(((struct s3_lab *)arg)->stub) == 3;
}

static void test_sweep(void **state)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes no threads after a fork */
#endif
    struct s3_lab *e = *state;
    char dir[PATH_MAX], text[FS_TEXT_MAX];
    storekit_folder(dir);
    pid_t pid = fork();
    if (pid == 0)
        be_killed(e->stub, dir);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(s3_stub_uploads(e->stub), 1);

    /* Another gateway's, in the same bucket: too young to be touched. */
    begin_theirs(e, "theirs");

    struct s3_lab next = {0};
    s3_lab_conf(&next, e->stub);
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    struct fs_file *f; /* this run's own */
    struct mover up = {0};
    assert_int_equal(sync_open(next.fs, "/running", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 4 * S3_LAB_MIB, 32768, 8), GW_OK);
    next.stub = e->stub;
    assert_true(sync_until(next.loop, three_uploads, &next));
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 2);
    assert_int_equal(sync_close(&f), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 1);
    s3_stub_age(e->stub, 25 * 3600);
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 0);
    assert_int_equal(s3_stub_object(e->stub, "p/killed", NULL), -1);
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

/* What a run that is dead by now wrote before it asked for an upload of this key; its i-th. */
static void leave_note(const char *state_dir, const struct s3_lab *e, const char *key, int i)
{
    char path[PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/s3-uploads", state_dir);
    assert_int_equal(mkdir(path, 0700), i == 0 ? 0 : -1);
    snprintf(path, sizeof path, "%s/s3-uploads/0123456789abcdef-%032d", state_dir, i);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "lab\n%s\n\n%s", e->conf.bucket, key);
    assert_int_equal(fclose(f), 0);
}

static bool one_upload(void *arg)
{
    return s3_stub_uploads(((struct s3_lab *)arg)->stub) == 1;
}

/* Its client has come back at once, and sends the same file again: no part of it is there yet. */
static void test_note_of_a_key_that_is_written_again(void **state)
{
    struct s3_lab *e = *state;
    char dir[PATH_MAX], text[FS_TEXT_MAX];
    storekit_folder(dir);
    leave_note(dir, e, "p/again", 0);
    struct s3_lab next = {.stub = e->stub};
    s3_lab_conf(&next, e->stub);
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    struct fs_file *f;
    struct mover up = {0};
    s3_stub_fail(e->stub, S3_STUB_HANG, "PUT", "partNumber", 0, 1000);
    assert_int_equal(sync_open(next.fs, "/again", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 2 * S3_LAB_MIB, 32768, 8), GW_OK);
    assert_true(sync_until(next.loop, one_upload, &next));
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 1);
    fs_abort(&f);
    assert_true(sync_until(next.loop, s3_lab_no_uploads, &next));

    begin_theirs(e, "p/again"); /* nobody's, once the answer to the abort has come */
    for (int i = 0; i < 200 && s3_stub_uploads(e->stub) > 0; i++) {
        assert_int_equal(sync_sweep(next.backend, text), GW_OK);
        usleep(5000);
    }
    assert_int_equal(s3_stub_uploads(e->stub), 0);
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

enum { NOTES = 60, STORED = 30 };

static bool all_uploads(void *arg)
{
    return s3_stub_uploads(((struct s3_lab *)arg)->stub) == NOTES;
}

/* However many there are, the journal is read a few times; in vain, and nothing is ended. */
static void test_many_notes(void **state)
{
    struct s3_lab *e = *state;
    char dir[PATH_MAX], key[32], text[FS_TEXT_MAX];
    storekit_folder(dir);
    for (int i = 0; i < NOTES; i++) {
        snprintf(key, sizeof key, "p/k%d", i);
        leave_note(dir, e, key, i);
        if (i != STORED)
            begin_theirs(e, key);
    }
    struct s3_lab next = {.stub = e->stub};
    s3_lab_conf(&next, e->stub);
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    struct fs_file *f;
    struct mover up = {0};
    s3_stub_fail(e->stub, S3_STUB_HANG, "PUT", "partNumber", 0, 1000);
    snprintf(key, sizeof key, "/k%d", STORED);
    assert_int_equal(sync_open(next.fs, key, MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 2 * S3_LAB_MIB, 32768, 8), GW_OK);
    assert_true(sync_until(next.loop, all_uploads, &next));

    opened = 0;
    opening_fails = 2; /* the first shows the notes */
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_true(opened > 2);
    assert_int_equal(s3_stub_uploads(e->stub), NOTES);

    opened = locked = opening_fails = 0;
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_true(opened >= 3 && opened < 10);
    assert_true(locked < 10);
    assert_int_equal(s3_stub_uploads(e->stub), 1);
    fs_abort(&f);
    assert_true(sync_until(next.loop, s3_lab_no_uploads, &next));
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

static bool has_ended_one(void *arg)
{
    return s3_stub_requests(((struct s3_lab *)arg)->stub, "DELETE") > 0;
}

static bool only_theirs(void *arg)
{
    return s3_stub_uploads(((struct s3_lab *)arg)->stub) == 1500;
}

static bool is_noted(const char *state_dir, int i)
{
    char path[PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/s3-uploads/0123456789abcdef-%032d", state_dir, i);
    return access(path, F_OK) == 0;
}

struct swept {
    bool done;
    enum gw_err err;
};

static void swept_done(void *arg, enum gw_err err, const char *text)
{
    (void)text;
    *(struct swept *)arg = (struct swept){.done = true, .err = err};
}

static bool is_swept(void *arg)
{
    return ((const struct swept *)arg)->done;
}

/* Whoever may write into the bucket begins as many of a key as he likes: they are ended before the
 * next are listed. */
static void test_many_of_a_note(void **state)
{
    struct s3_lab *e = *state;
    char dir[PATH_MAX];
    storekit_folder(dir);
    leave_note(dir, e, "p/k", 0);
    for (int i = 0; i < 2500; i++)
        begin_theirs(e, "p/k");
    struct s3_lab next = {.stub = e->stub};
    s3_lab_conf(&next, e->stub);
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    struct swept swept = {0};
    (void)backend_sweep(next.backend, swept_done, &swept);
    assert_true(sync_until(next.loop, has_ended_one, &next));
    assert_in_range(s3_stub_requests(e->stub, "GET"), 2, 3); /* a page, and parts */
    assert_true(sync_until(next.loop, is_swept, &swept));
    assert_int_equal(swept.err, GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 0);
    assert_false(is_noted(dir, 0));
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

/* The note of one that is stored now is for the next start, whatever is listed behind it. */
static void test_many_of_a_key_that_is_written_again(void **state)
{
    struct s3_lab *e = *state;
    char dir[PATH_MAX], text[FS_TEXT_MAX];
    storekit_folder(dir);
    leave_note(dir, e, "p/k", 0);
    struct s3_lab next = {.stub = e->stub};
    s3_lab_conf(&next, e->stub);
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    struct fs_file *f;
    struct mover up = {0};
    s3_stub_fail(e->stub, S3_STUB_HANG, "PUT", "partNumber", 0, 1000);
    assert_int_equal(sync_open(next.fs, "/k", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 2 * S3_LAB_MIB, 32768, 8), GW_OK);
    assert_true(sync_until(next.loop, one_upload, &next));
    for (int i = 0; i < 1500; i++)
        begin_theirs(e, i < 999 ? "p/k" : "p/others");
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 1501);
    assert_true(is_noted(dir, 0));
    fs_abort(&f);
    assert_true(sync_until(next.loop, only_theirs, &next));
    assert_int_equal(sync_sweep(next.backend, text), GW_OK);
    assert_int_equal(s3_stub_uploads(e->stub), 501);
    assert_false(is_noted(dir, 0));
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

static bool was_asked(void *arg)
{
    return s3_stub_requests(((struct s3_lab *)arg)->stub, "POST") > 0;
}

/* On a full disk half of a note would stay, which is the note of another key. */
static void test_half_a_note(void **state)
{
    struct s3_lab *e = *state;
    char dir[PATH_MAX], path[PATH_MAX + 16];
    struct rlimit before, few;
    storekit_folder(dir);
    struct s3_lab next = {.stub = e->stub};
    s3_lab_conf(&next, e->stub);
    next.conf.request_timeout_s = 1;
    next.conf.max_retries = 0;
    s3_lab_open(&next, "p", dir, 64 * S3_LAB_MIB);
    snprintf(path, sizeof path, "%s/s3-uploads", dir);
    (void)mkdir(path, 0700);
    s3_stub_fail(e->stub, S3_STUB_HANG, "POST", NULL, 0, 1000);
    struct fs_file *f;
    struct mover up = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    few = before;
    few.rlim_cur = sizeof "lab\nunit\n\np/ha";
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    assert_int_equal(sync_open(next.fs, "/half of it", MOVER_NEW, &f), GW_OK);
    assert_int_equal(mover_run(&up, f, 2 * S3_LAB_MIB, 32768, 8), GW_OK);
    assert_true(sync_until(next.loop, was_asked, &next));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        assert_null(strchr(entry->d_name, '-'));
    closedir(d);
    fs_abort(&f);
    s3_lab_close(&next);
    storekit_folder_remove(dir);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, s3_lab_setup, s3_lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_sweep),
        ROW(test_note_of_a_key_that_is_written_again),
        ROW(test_many_notes),
        ROW(test_many_of_a_note),
        ROW(test_many_of_a_key_that_is_written_again),
        ROW(test_half_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
