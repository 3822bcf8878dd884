/*
 * Every operation of every store that is at hand, cancelled at every step: while it is held back,
 * while it waits for the pool, after it ran and before it is told, and some turns later. No
 * callback runs, nothing stays open, nothing half-made stays behind, and the store still works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/mem.h"
#include "gateway/io/work.h"
#include "tests/support/fail_fs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

enum step {
    STEP_HELD,   /* fail_fs has not made the call yet */
    STEP_QUEUED, /* the pool has not begun it (a store without a pool: the first turn) */
    STEP_RAN,    /* the pool has done it, the loop does not know */
    STEP_TURN1,
    STEP_TURN2,
    STEP_TURN3,
    STEP_COUNT
};

struct fixture {
    char top[PATH_MAX];
    struct loop *loop;
    struct backend *store;
    struct fs *fs; /* fail_fs around a view */
};

/* What an operation works on: opened before each try. */
struct target {
    struct fs *fs;
    struct fs_file *file, *other;
    struct fs_dir *dir;
};

#define START(name, call)                                                                          \
    static struct op *name(struct target *t, struct sync *s)                                       \
    {                                                                                              \
        return call;                                                                               \
    }

static const struct fs_attr mode = {.set = FS_ATTR_MODE | FS_ATTR_MTIME, .mode = 0700};

START(start_open, fs_open(t->fs, "/file", FS_READ, NULL, sync_done, s))
START(start_create, fs_open(t->fs, "/new", UPLOAD, &mode, sync_done, s))
START(start_replace, fs_open(t->fs, "/file", UPLOAD, NULL, sync_done, s))
START(start_excl, fs_open(t->fs, "/new", UPLOAD | FS_EXCL, NULL, sync_done, s))
START(start_read, fs_read(t->file, 0, 4, sync_done, s))
START(start_write, fs_write(t->file, 0, gw_span_of("abcd", 4), sync_done, s))
START(start_fsync, fs_fsync(t->file, sync_done, s))
START(start_fstat, fs_fstat(t->file, sync_done, s))
START(start_fsetstat, fs_fsetstat(t->file, &mode, sync_done, s))
START(start_close, fs_close(&t->file, sync_done, s))
START(start_copy, fs_copy(t->other, 0, 0, t->file, 0, sync_done, s))
START(start_stat, fs_stat(t->fs, "/file", true, sync_done, s))
START(start_setstat, fs_setstat(t->fs, "/file", true, &mode, sync_done, s))
START(start_opendir, fs_opendir(t->fs, "/", sync_done, s))
START(start_readdir, fs_readdir(t->dir, 1, sync_done, s))
START(start_remove, fs_remove(t->fs, "/extra", sync_done, s))
START(start_mkdir, fs_mkdir(t->fs, "/made", NULL, sync_done, s))
START(start_rmdir, fs_rmdir(t->fs, "/dir", sync_done, s))
START(start_rename, fs_rename(t->fs, "/extra", "/moved", 0, sync_done, s))
START(start_readlink, fs_readlink(t->fs, "/link", sync_done, s))
START(start_symlink, fs_symlink(t->fs, "file", "/made", sync_done, s))
START(start_hardlink, fs_hardlink(t->fs, "/file", "/made", sync_done, s))
START(start_statvfs, fs_statvfs(t->fs, "/", sync_done, s))

static const struct {
    const char *name;
    enum fail_fs_call call;
    struct op *(*start)(struct target *t, struct sync *s);
} rows[] = {
    {"open", FAIL_FS_OPEN, start_open},
    {"create", FAIL_FS_OPEN, start_create},
    {"replace", FAIL_FS_OPEN, start_replace},
    {"exclusive", FAIL_FS_OPEN, start_excl},
    {"read", FAIL_FS_READ, start_read},
    {"write", FAIL_FS_WRITE, start_write},
    {"fsync", FAIL_FS_FSYNC, start_fsync},
    {"fstat", FAIL_FS_FSTAT, start_fstat},
    {"fsetstat", FAIL_FS_FSETSTAT, start_fsetstat},
    {"close", FAIL_FS_CLOSE, start_close},
    {"copy", FAIL_FS_COPY, start_copy},
    {"stat", FAIL_FS_STAT, start_stat},
    {"setstat", FAIL_FS_SETSTAT, start_setstat},
    {"opendir", FAIL_FS_OPENDIR, start_opendir},
    {"readdir", FAIL_FS_READDIR, start_readdir},
    {"remove", FAIL_FS_REMOVE, start_remove},
    {"mkdir", FAIL_FS_MKDIR, start_mkdir},
    {"rmdir", FAIL_FS_RMDIR, start_rmdir},
    {"rename", FAIL_FS_RENAME, start_rename},
    {"readlink", FAIL_FS_READLINK, start_readlink},
    {"symlink", FAIL_FS_SYMLINK, start_symlink},
    {"hardlink", FAIL_FS_HARDLINK, start_hardlink},
    {"statvfs", FAIL_FS_STATVFS, start_statvfs},
};

/* The pool has one thread here: a job of ours before or behind another's tells where that one is.
 */
struct gate {
    uv_sem_t opened, passed;
    bool finished;
};

static void gate_run(void *job)
{
    struct gate *g = job;
    uv_sem_wait(&g->opened);
    uv_sem_post(&g->passed);
}

static void gate_done(void *job)
{
    ((struct gate *)job)->finished = true;
}

static void gate_orphan(void *job, bool ran)
{
    (void)ran;
    gate_done(job);
}

static const struct work_fns gate_fns = {gate_run, gate_done, gate_orphan};

static bool gate_finished(void *arg)
{
    return ((struct gate *)arg)->finished;
}

static void gate_init(struct gate *g, struct loop *l)
{
    g->finished = false;
    uv_sem_init(&g->opened, 0);
    uv_sem_init(&g->passed, 0);
    (void)work_start(l, &gate_fns, g);
}

static void gate_end(struct gate *g, struct loop *l)
{
    assert_true(sync_until(l, gate_finished, g));
    uv_sem_destroy(&g->opened);
    uv_sem_destroy(&g->passed);
}

/* All that was given to the pool before has been done, and told. */
static void settle(struct loop *l)
{
    for (int i = 0; i < 3; i++) {
        struct gate g;
        gate_init(&g, l);
        uv_sem_post(&g.opened);
        gate_end(&g, l);
    }
}

static unsigned open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void ignore_missing(enum gw_err err)
{
    assert_true(err == GW_OK || err == GW_NOT_FOUND || err == GW_IS_DIR);
}

/* The tree as each try expects it, whatever the one before did or did not do. */
static void prepare(struct fixture *f)
{
    ignore_missing(sync_remove(f->fs, "/new"));
    ignore_missing(sync_remove(f->fs, "/moved"));
    if (sync_remove(f->fs, "/made") == GW_IS_DIR)
        assert_int_equal(sync_rmdir(f->fs, "/made"), GW_OK);
    ignore_missing(sync_remove(f->fs, "/link"));
    enum gw_err err = sync_mkdir(f->fs, "/dir");
    assert_true(err == GW_OK || err == GW_EXISTS);
    assert_int_equal(sync_put(f->fs, "/file", "content"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/extra", "more"), GW_OK);
    assert_int_equal(sync_symlink(f->fs, "file", "/link"), GW_OK);
}

static void target_open(struct fixture *f, struct target *t)
{
    struct sync s = {.done = false};
    *t = (struct target){.fs = f->fs};
    assert_int_equal(sync_open(f->fs, "/upload", UPLOAD | FS_READ, &t->file), GW_OK);
    assert_int_equal(sync_write(t->file, 0, "1234", 4), GW_OK);
    assert_int_equal(sync_open(f->fs, "/file", FS_READ, &t->other), GW_OK);
    s.op = fs_opendir(f->fs, "/", sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_OK);
    t->dir = s.dir;
}

static void target_close(struct target *t)
{
    fs_abort(&t->file);
    fs_abort(&t->other);
    fs_closedir(&t->dir);
}

/* Starts the row's operation, brings it to `step`, and cancels it. */
static void cancel_at(struct fixture *f, size_t row, enum step step, struct target *t,
                      struct sync *s)
{
    struct gate g;
    if (step == STEP_HELD)
        fail_fs_set(f->fs, &(struct fail_fs_rule){.call = rows[row].call, .how = FAIL_FS_HOLD});
    if (step == STEP_QUEUED)
        gate_init(&g, f->loop);
    s->op = rows[row].start(t, s);
    assert_false(s->done); /* never before the start returned */
    if (step == STEP_RAN) {
        gate_init(&g, f->loop);
        uv_sem_post(&g.opened);
        uv_sem_wait(&g.passed);
    }
    for (enum step i = STEP_TURN1; i <= step; i++)
        loop_poll(f->loop);
    bool was_done = s->done;
    op_cancel(&s->op);
    if (step == STEP_QUEUED)
        uv_sem_post(&g.opened);
    if (step == STEP_QUEUED || step == STEP_RAN)
        gate_end(&g, f->loop);
    fail_fs_clear(f->fs);
    fail_fs_release(f->fs);
    settle(f->loop);
    if (s->done != was_done)
        fail_msg("%s: called back after its cancel in step %d", rows[row].name, (int)step);
    fs_abort(&s->file);
    fs_closedir(&s->dir);
}

static void test_cancel_everything(void **state)
{
    struct fixture *f = *state;
    char names[512];
    prepare(f);
    settle(f->loop);
    unsigned fds = open_fds();
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (enum step step = STEP_HELD; step < STEP_COUNT; step++) {
            struct target t;
            struct sync s = {.done = false};
            prepare(f);
            target_open(f, &t);
            cancel_at(f, row, step, &t, &s);
            target_close(&t);
            settle(f->loop);
            assert_int_equal(fail_fs_open_files(f->fs), 0);
            if (open_fds() != fds)
                fail_msg("%s: step %d: a descriptor is left open", rows[row].name, (int)step);
            assert_int_equal(sync_list(f->fs, "/", 0, names, sizeof names), GW_OK);
            bool closed = rows[row].call == FAIL_FS_CLOSE;
            if (!closed && strstr(names, "upload") != NULL)
                fail_msg("%s: step %d: an upload appeared: %s", rows[row].name, (int)step, names);
            if (rows[row].call == FAIL_FS_OPEN && strstr(names, "new") != NULL)
                fail_msg("%s: step %d: left %s", rows[row].name, (int)step, names);
            if (closed && step > STEP_HELD && strstr(names, "upload") != NULL)
                assert_int_equal(sync_remove(f->fs, "/upload"), GW_OK);
        }
    }
}

/* Each kind of failure, on each operation: told as it is, and nothing is left open. */
static void test_fail_everything(void **state)
{
    struct fixture *f = *state;
    static const enum fail_fs_how hows[] = {FAIL_FS_BEFORE, FAIL_FS_AFTER, FAIL_FS_DELAY};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
            struct target t;
            struct sync s = {.done = false};
            prepare(f);
            target_open(f, &t);
            const struct fail_fs_rule rule = {.call = rows[row].call,
                                              .how = hows[i],
                                              .err = GW_NO_SPACE,
                                              .text = "on command",
                                              .after_ms = 1};
            fail_fs_set(f->fs, &rule);
            s.op = rows[row].start(&t, &s);
            enum gw_err err = sync_wait(f->loop, &s);
            assert_int_equal(err, hows[i] == FAIL_FS_DELAY ? GW_OK : GW_NO_SPACE);
            assert_string_equal(s.text, err == GW_OK ? "" : "on command");
            fail_fs_clear(f->fs);
            fs_abort(&s.file);
            fs_closedir(&s.dir);
            target_close(&t);
            settle(f->loop);
            assert_int_equal(fail_fs_open_files(f->fs), 0);
            enum gw_err gone = sync_remove(f->fs, "/upload");
            assert_true(gone == GW_NOT_FOUND || rows[row].call == FAIL_FS_CLOSE);
        }
    }
}

static void test_truncate(void **state)
{
    struct fixture *f = *state;
    char text[64];
    size_t n;
    prepare(f);
    struct fs_file *file;
    assert_int_equal(sync_open(f->fs, "/file", FS_READ | FS_WRITE, &file), GW_OK);
    fail_fs_set(f->fs,
                &(struct fail_fs_rule){.call = FAIL_FS_READ, .how = FAIL_FS_TRUNCATE, .keep = 3});
    assert_int_equal(fs_read_now(file, 0, (uint8_t *)text, 7, &n), GW_BUSY);
    assert_int_equal(sync_read(file, 0, text, 7, &n), GW_OK);
    assert_int_equal(n, 3);
    fail_fs_set(f->fs, &(struct fail_fs_rule){.call = FAIL_FS_WRITE,
                                              .how = FAIL_FS_TRUNCATE,
                                              .skip = 1,
                                              .times = 1,
                                              .keep = 2,
                                              .err = GW_IO});
    assert_int_equal(sync_write(file, 0, "ABCD", 4), GW_OK);
    assert_int_equal(sync_write(file, 0, "wxyz", 4), GW_IO);
    assert_int_equal(sync_write(file, 6, "!", 1), GW_OK);
    fail_fs_clear(f->fs);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_get(f->fs, "/file", text, sizeof text), GW_OK);
    assert_string_equal(text, "wxCDen!");
    fail_fs_set(f->fs,
                &(struct fail_fs_rule){
                    .call = FAIL_FS_READDIR, .how = FAIL_FS_TRUNCATE, .times = 1, .keep = 1});
    assert_int_equal(sync_list(f->fs, "/", 2, text, sizeof text), GW_OK);
    fail_fs_clear(f->fs);
}

static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    return f;
}

static int setup_memory(void **state)
{
    struct fixture *f = *state = fixture_new();
    f->store = storekit_memory(f->loop, "store", 16);
    f->fs = fail_fs_new(storekit_view(f->store, "some/where"));
    return 0;
}

static int setup_local(void **state)
{
    struct fixture *f = *state = fixture_new();
    storekit_folder(f->top);
    f->store = storekit_local(f->loop, f->top, true);
    f->fs = fail_fs_new(storekit_view(f->store, "some/where"));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    if (f->top[0] != '\0')
        storekit_folder_remove(f->top);
    mem_free(f);
    return 0;
}

int main(void)
{
    work_set_threads(1);
#define ROWS(setup)                                                                                \
    cmocka_unit_test_setup_teardown(test_cancel_everything, setup, teardown),                      \
        cmocka_unit_test_setup_teardown(test_fail_everything, setup, teardown),                    \
        cmocka_unit_test_setup_teardown(test_truncate, setup, teardown)
    const struct CMUnitTest tests[] = {ROWS(setup_memory), ROWS(setup_local)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
