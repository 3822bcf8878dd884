/*
 * Any write onto a store that takes whole files: what arrives there, when, what a client sees
 * meanwhile, and that every failure and every cancel leaves the old file, no open file, no space
 * taken, and nothing on the disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/spool/spool_fs.h"
#include "gateway/base/mem.h"
#include "tests/support/fail_fs.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

#define SPOOL_BYTES ((uint64_t)1 << 20)
#define EDIT        (FS_READ | FS_WRITE)
#define FRESH       (FS_CREATE | FS_TRUNC)

struct fixture {
    char top[PATH_MAX];
    struct loop *loop;
    struct backend *store;
    struct fs *inner; /* fail_fs around memory; the layer owns it */
    struct spool_space space;
    struct spool *spool;
    struct fs *fs;
};

static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    storekit_folder(f->top);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    f->store = storekit_memory(f->loop, "store", 16);
    f->inner = fail_fs_new(storekit_view(f->store, ""));
    return f;
}

static int setup(void **state)
{
    struct fixture *f = *state = fixture_new();
    struct gw_errmsg msg;
    assert_int_equal(spool_new(f->loop, f->top, SPOOL_BYTES, &f->space, &f->spool, &msg), GW_OK);
    f->fs = spool_fs_new(f->inner, f->spool);
    return 0;
}

static int setup_without(void **state)
{
    struct fixture *f = *state = fixture_new();
    f->fs = spool_fs_new(f->inner, NULL);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    spool_free(&f->spool);
    backend_unref(&f->store);
    loop_free(&f->loop);
    assert_int_equal(f->space.used, 0);
    storekit_folder_remove(f->top);
    mem_free(f);
    return 0;
}

/* The descriptors of spool files; *mode is that of one of them. */
static unsigned spool_fds(const struct fixture *f, mode_t *mode)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char link[PATH_MAX] = "";
        struct stat st;
        if (readlinkat(dirfd(d), e->d_name, link, sizeof link - 1) < 0 ||
            strncmp(link, f->top, strlen(f->top)) != 0 ||
            fstatat(dirfd(d), e->d_name, &st, 0) != 0 || !S_ISREG(st.st_mode))
            continue;
        n++;
        *mode = st.st_mode & 07777;
    }
    closedir(d);
    return n;
}

static bool nothing_held(void *arg)
{
    mode_t mode;
    return spool_fds(arg, &mode) == 0;
}

static void expect_nothing_left(struct fixture *f)
{
    assert_true(sync_until(f->loop, nothing_held, f));
    assert_int_equal(fail_fs_open_files(f->inner), 0);
    assert_int_equal(f->space.used, 0);
}

static void expect_content(struct fixture *f, const char *path, const char *want)
{
    char text[128];
    enum gw_err err = sync_get(f->inner, path, text, sizeof text);
    assert_int_equal(err, want == NULL ? GW_NOT_FOUND : GW_OK);
    if (want != NULL)
        assert_string_equal(text, want);
}

static void begin(struct fixture *f, const char *content)
{
    enum gw_err err = sync_remove(f->inner, "/f");
    assert_true(err == GW_OK || err == GW_NOT_FOUND);
    if (content != NULL)
        assert_int_equal(sync_put(f->inner, "/f", content), GW_OK);
}

static enum gw_err set_attr(struct fs_file *file, const struct fs_attr *attr)
{
    struct sync s = {.done = false};
    s.op = fs_fsetstat(file, attr, sync_done, &s);
    return sync_wait(file->fs->loop, &s);
}

static enum gw_err resize(struct fs_file *file, uint64_t size)
{
    return set_attr(file, &(struct fs_attr){.set = FS_ATTR_SIZE, .size = size});
}

static struct fs_attr attr_of(struct fs_file *file)
{
    struct sync s = {.done = false};
    s.op = fs_fstat(file, sync_done, &s);
    assert_int_equal(sync_wait(file->fs->loop, &s), GW_OK);
    assert_true(s.attr.kind == FS_KIND_REG && (s.attr.set & FS_ATTR_SIZE));
    return s.attr;
}

static uint64_t size_of(struct fs_file *file)
{
    return attr_of(file).size;
}

/* An open whose words matter. */
static enum gw_err open_says(struct fixture *f, const char *path, uint32_t flags, const char *words)
{
    struct sync s = {.done = false};
    s.op = fs_open(f->fs, path, flags, NULL, sync_done, &s);
    sync_wait(f->loop, &s);
    assert_non_null(strstr(s.text, words));
    return s.err;
}

static void test_edits(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *old;
        uint32_t flags;
        uint64_t off;
        const char *data;
        int64_t cut; /* then FSETSTAT of that size; -1 = none */
        enum gw_err err;
        const char *want;
    } rows[] = {
        {"0123456789", EDIT, 4, "XY", -1, GW_OK, "0123XY6789"},
        {"0123456789", FS_WRITE, 8, "abcd", -1, GW_OK, "01234567abcd"},
        {"0123456789", FS_WRITE | FS_CREATE, 10, "abcd", -1, GW_OK, "0123456789abcd"},
        {"0123456789", EDIT, 4, "XY", 5, GW_OK, "0123X"},
        {"0123456789", EDIT, 0, "", 2, GW_OK, "01"},
        {"0123456789", EDIT, 0, "", 0, GW_OK, ""},
        {"01", FS_WRITE | FS_APPEND, 0, "23", -1, GW_OK, "0123"},
        {"01", EDIT | FS_APPEND, 1, "23", -1, GW_OK, "0123"},
        {NULL, FS_WRITE | FS_APPEND | FS_CREATE, 0, "23", -1, GW_OK, "23"},
        {"", EDIT, 0, "x", -1, GW_OK, "x"},
        {NULL, EDIT | FS_CREATE, 0, "new", -1, GW_OK, "new"},
        {NULL, EDIT | FS_CREATE, 0, "", -1, GW_OK, ""},
        {NULL, FS_WRITE | FS_CREATE, 0, "new", -1, GW_OK, "new"},
        {"0123456789", EDIT | FRESH, 0, "new", -1, GW_OK, "new"},
        {"0123456789", EDIT | FS_TRUNC, 0, "", -1, GW_OK, ""},
        {NULL, EDIT | FS_CREATE | FS_EXCL, 0, "new", -1, GW_OK, "new"},
        {"old", EDIT | FS_CREATE | FS_EXCL, 0, "", -1, GW_EXISTS, "old"},
        {NULL, EDIT, 0, "", -1, GW_NOT_FOUND, NULL},
        {NULL, EDIT | FS_TRUNC, 0, "", -1, GW_NOT_FOUND, NULL},
        {NULL, FS_WRITE | FS_APPEND, 0, "", -1, GW_NOT_FOUND, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fs_file *file;
        size_t n = strlen(rows[i].data);
        begin(f, rows[i].old);
        assert_int_equal(sync_open(f->fs, "/f", rows[i].flags, &file), rows[i].err);
        if (rows[i].err == GW_OK) {
            assert_ptr_equal(file->fs, f->fs);
            if (n > 0)
                assert_int_equal(sync_write(file, rows[i].off, rows[i].data, n), GW_OK);
            if (rows[i].cut >= 0)
                assert_int_equal(resize(file, (uint64_t)rows[i].cut), GW_OK);
            assert_int_equal(size_of(file), strlen(rows[i].want));
            assert_int_equal(f->space.used, strlen(rows[i].want));
            expect_content(f, "/f", rows[i].old); /* until the close */
            assert_int_equal(sync_close(&file), GW_OK);
        }
        expect_content(f, "/f", rows[i].want);
        expect_nothing_left(f);
    }
}

/* Which opens are the store's own business. */
static void test_streams(void **state)
{
    struct fixture *f = *state;
    static const uint32_t rows[] = {FS_READ, FS_WRITE | FRESH, FS_WRITE | FS_TRUNC};
    begin(f, "old");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fs_file *file;
        assert_int_equal(sync_open(f->fs, "/f", rows[i], &file), GW_OK);
        assert_ptr_equal(file->fs, f->inner);
        fs_abort(&file);
    }
    struct fs_file *file;
    assert_int_equal(sync_open(f->fs, "/g", FS_WRITE | FS_CREATE | FS_EXCL, &file), GW_OK);
    assert_ptr_equal(file->fs, f->inner);
    fs_abort(&file);
    f->inner->caps |= FS_CAP_NEEDS_LENGTH; /* its server has said so by now */
    assert_int_equal(sync_open(f->fs, "/f", FS_WRITE | FRESH, &file), GW_OK);
    assert_ptr_equal(file->fs, f->fs);
    fs_abort(&file);
    assert_int_equal(sync_mkdir(f->fs, "/dir"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/dir", EDIT, &file), GW_IS_DIR);
    assert_int_equal(sync_open(f->fs, "/dir", EDIT | FRESH, &file), GW_IS_DIR);
    assert_true((f->fs->caps & FS_CAP_RANDOM_WRITE) != 0);
    expect_nothing_left(f);
}

static void test_holes_and_modes(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    uint8_t buf[16];
    size_t n;
    mode_t mode = 0;
    struct stat st;
    char folder[PATH_MAX + 8];
    begin(f, NULL);
    assert_int_equal(sync_open(f->fs, "/f", EDIT | FS_CREATE, &file), GW_OK);
    assert_int_equal(spool_fds(f, &mode), 1);
    assert_int_equal(mode, 0600);
    snprintf(folder, sizeof folder, "%s/spool", f->top);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(sync_write(file, 300000, "end", 3), GW_OK);
    assert_int_equal(size_of(file), 300003);
    assert_int_equal(sync_read(file, 299998, buf, 5, &n), GW_OK);
    assert_memory_equal(buf, "\0\0end", 5);
    assert_int_equal(sync_read(file, 300003, buf, 5, &n), GW_EOF);
    assert_int_equal(sync_close(&file), GW_OK);
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->inner, "/f", true, &attr), GW_OK);
    assert_int_equal(attr.size, 300003);
    expect_nothing_left(f);
}

/* What was only looked at is not stored again; times alone are set, not copied. */
static void test_unchanged(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    const struct fs_attr then = {.set = FS_ATTR_MTIME, .mtime_s = 1400000000};
    begin(f, "old");
    unsigned writes = fail_fs_calls(f->inner, FAIL_FS_WRITE);
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &file), GW_OK);
    assert_int_equal(resize(file, 3), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &file), GW_OK);
    assert_int_equal(set_attr(file, &then), GW_OK);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(fail_fs_calls(f->inner, FAIL_FS_WRITE), writes);
    struct fs_attr attr;
    assert_int_equal(sync_stat(f->inner, "/f", true, &attr), GW_OK);
    assert_int_equal(attr.mtime_s, 1400000000);
    /* And with content: what FSTAT says is what is stored. */
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &file), GW_OK);
    assert_int_equal(sync_write(file, 0, "new", 3), GW_OK);
    assert_true(attr_of(file).mtime_s > then.mtime_s);
    assert_int_equal(set_attr(file, &then), GW_OK);
    assert_int_equal(attr_of(file).mtime_s, then.mtime_s);
    assert_int_equal(sync_close(&file), GW_OK);
    assert_int_equal(sync_stat(f->inner, "/f", true, &attr), GW_OK);
    assert_int_equal(attr.mtime_s, 1400000000);
    expect_content(f, "/f", "new");
    expect_nothing_left(f);
}

static void test_setstat_of_a_size(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t size;
        const char *want;
    } rows[] = {{5, "01234"}, {3, "012"}, {3, "012"}, {0, ""}};
    begin(f, "0123456789");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fs_attr attr = {.set = FS_ATTR_SIZE, .size = rows[i].size};
        assert_int_equal(sync_setstat(f->fs, "/f", true, &attr), GW_OK);
        expect_content(f, "/f", rows[i].want);
    }
    const struct fs_attr one = {.set = FS_ATTR_SIZE, .size = 1};
    assert_int_equal(sync_setstat(f->fs, "/none", true, &one), GW_NOT_FOUND);
    expect_nothing_left(f);
}

static void test_several_handles(void **state)
{
    struct fixture *f = *state;
    struct fs_file *one;
    struct fs_file *two;
    begin(f, "0123456789");
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &one), GW_OK);
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &two), GW_OK);
    assert_int_equal(f->space.used, 20);
    assert_int_equal(sync_write(one, 0, "one", 3), GW_OK);
    assert_int_equal(sync_write(two, 7, "two", 3), GW_OK);
    assert_int_equal(sync_close(&two), GW_OK);
    expect_content(f, "/f", "0123456two");
    assert_int_equal(sync_close(&one), GW_OK); /* the last one wins */
    expect_content(f, "/f", "one3456789");
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &one), GW_OK);
    assert_int_equal(sync_write(one, 0, "two", 3), GW_OK);
    assert_int_equal(sync_rename(f->fs, "/f", "/moved", FS_RENAME_OVERWRITE), GW_OK);
    assert_int_equal(sync_close(&one), GW_OK);
    expect_content(f, "/moved", "one3456789");
    expect_content(f, "/f", "two3456789");
    /* Exclusive: somebody else was quicker. */
    begin(f, NULL);
    assert_int_equal(sync_open(f->fs, "/f", EDIT | FS_CREATE | FS_EXCL, &one), GW_OK);
    assert_int_equal(sync_put(f->inner, "/f", "theirs"), GW_OK);
    assert_int_equal(sync_close(&one), GW_EXISTS);
    expect_content(f, "/f", "theirs");
    expect_nothing_left(f);
}

/* One bound for all; what is refused says why, is not stored, and the room comes back. */
static void test_no_room(void **state)
{
    struct fixture *f = *state;
    struct fs_file *one;
    struct fs_file *two;
    begin(f, "0123456789");
    assert_int_equal(sync_open(f->fs, "/one", EDIT | FS_CREATE, &one), GW_OK);
    assert_int_equal(resize(one, SPOOL_BYTES * 3 / 4 - 12), GW_OK);
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &two), GW_OK);
    assert_int_equal(sync_write(two, 10, "ab", 2), GW_OK);
    assert_int_equal(fs_write_now(two, 12, gw_span_of("c", 1)), GW_BUSY);
    assert_int_equal(sync_write(two, 12, "c", 1), GW_NO_SPACE);
    assert_int_equal(sync_close(&two), GW_NO_SPACE);
    expect_content(f, "/f", "0123456789");
    assert_int_equal(resize(one, SPOOL_BYTES * 3 / 4 - 9), GW_OK);
    assert_int_equal(open_says(f, "/f", EDIT, "1 MiB"), GW_NO_SPACE);
    assert_int_equal(resize(one, 10), GW_OK); /* less gives room */
    assert_int_equal(sync_open(f->fs, "/f", EDIT, &two), GW_OK);
    assert_int_equal(resize(two, UINT64_MAX), GW_NO_SPACE);
    assert_int_equal(sync_write(two, 0, "x", 1), GW_NO_SPACE); /* it has failed for good */
    fs_abort(&two);
    fs_abort(&one);
    expect_nothing_left(f);
}

/* Steps of opening, of closing, of a SETSTAT: what each asks of the store. */
static const struct step {
    const char *name;
    enum { LOAD, STORE, RESIZE } what;
    uint32_t flags;
    enum fail_fs_call call;
    unsigned skip;
} steps[] = {
    {"open: read", LOAD, EDIT, FAIL_FS_OPEN, 0},
    {"open: size", LOAD, EDIT, FAIL_FS_FSTAT, 0},
    {"open: fetch", LOAD, EDIT, FAIL_FS_READ, 0},
    {"open: look", LOAD, EDIT | FRESH, FAIL_FS_STAT, 0},
    {"close: open", STORE, EDIT, FAIL_FS_OPEN, 0},
    {"close: write", STORE, EDIT, FAIL_FS_WRITE, 0},
    {"close: times", STORE, EDIT, FAIL_FS_FSETSTAT, 0},
    {"close: close", STORE, EDIT, FAIL_FS_CLOSE, 0},
    {"resize: open", RESIZE, 0, FAIL_FS_OPEN, 1},
    {"resize: close", RESIZE, 0, FAIL_FS_CLOSE, 0},
};

/* rule (NULL = none) meets the operation itself, not what leads to it. */
static void step_start(struct fixture *f, const struct step *step, const struct fail_fs_rule *rule,
                       struct sync *s)
{
    static const struct fs_attr then = {.set = FS_ATTR_MTIME, .mtime_s = 1400000000};
    static const struct fs_attr cut = {.set = FS_ATTR_SIZE, .size = 3};
    struct fs_file *file = NULL;
    begin(f, "0123456789");
    if (step->what == STORE) {
        assert_int_equal(sync_open(f->fs, "/f", step->flags, &file), GW_OK);
        assert_int_equal(sync_write(file, 0, "new", 3), GW_OK);
        assert_int_equal(set_attr(file, &then), GW_OK);
    }
    if (rule != NULL)
        fail_fs_set(f->inner, rule);
    *s = (struct sync){.done = false};
    if (step->what == STORE)
        s->op = fs_close(&file, sync_done, s);
    else if (step->what == LOAD)
        s->op = fs_open(f->fs, "/f", step->flags, NULL, sync_done, s);
    else
        s->op = fs_setstat(f->fs, "/f", true, &cut, sync_done, s);
    assert_false(s->done);
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct sync s;
        const struct fail_fs_rule rule = {.call = steps[i].call,
                                          .how = FAIL_FS_BEFORE,
                                          .skip = steps[i].skip,
                                          .err = GW_UPSTREAM,
                                          .text = "on command"};
        step_start(f, &steps[i], &rule, &s);
        if (sync_wait(f->loop, &s) != GW_UPSTREAM || strcmp(s.text, "on command") != 0)
            fail_msg("%s: %d %s", steps[i].name, (int)s.err, s.text);
        fail_fs_clear(f->inner);
        expect_content(f, "/f", "0123456789");
        expect_nothing_left(f);
    }
}

/* Held at each call of the store, and after each number of turns without one. */
static void test_cancel(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        bool was_done = false;
        for (unsigned turns = 0; turns < 40 && !was_done; turns++) {
            const struct fail_fs_rule hold = {
                .call = steps[i].call, .how = FAIL_FS_HOLD, .skip = steps[i].skip};
            struct sync s;
            step_start(f, &steps[i], turns == 0 ? &hold : NULL, &s);
            for (unsigned n = 0; n < (turns == 0 ? 40 : turns); n++) {
                loop_poll(f->loop);
                usleep(turns == 0 ? 200 : 20); /* for the pool to get on */
            }
            was_done = s.done;
            assert_false(turns == 0 && was_done);
            op_cancel(&s.op);
            fail_fs_clear(f->inner);
            fail_fs_release(f->inner);
            fs_abort(&s.file);
            expect_nothing_left(f);
            for (unsigned n = 0; n < 5; n++)
                loop_poll(f->loop);
            if (s.done != was_done)
                fail_msg("%s: called back after its cancel, %u turns", steps[i].name, turns);
            char text[64];
            assert_int_equal(sync_get(f->inner, "/f", text, sizeof text), GW_OK);
            if (!was_done && steps[i].what == LOAD)
                assert_string_equal(text, "0123456789");
            else /* whole, whichever */
                assert_true(strcmp(text, "0123456789") == 0 || strcmp(text, "new3456789") == 0 ||
                            strcmp(text, "012") == 0);
        }
    }
}

static void test_without(void **state)
{
    struct fixture *f = *state;
    static const uint32_t rows[] = {EDIT, FS_WRITE | FS_APPEND, EDIT | FS_CREATE,
                                    EDIT | FRESH | FS_APPEND, FS_READ | FS_APPEND};
    begin(f, "old");
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(open_says(f, "/f", rows[i], "state_dir"), GW_UNSUPPORTED);
    struct sync s = {.done = false};
    fail_fs_set(f->inner, &(struct fail_fs_rule){.call = FAIL_FS_OPEN,
                                                 .how = FAIL_FS_BEFORE,
                                                 .err = GW_UNSUPPORTED,
                                                 .text = "the store's own"});
    assert_int_equal(open_says(f, "/f", FS_WRITE, "state_dir"), GW_UNSUPPORTED);
    s.op = fs_open(f->fs, "/f", FS_WRITE, NULL, sync_done, &s); /* only the store knows */
    op_cancel(&s.op);
    fail_fs_clear(f->inner);
    struct fs_file *file;
    static const uint32_t streams[] = {EDIT | FRESH, EDIT | FS_TRUNC};
    for (size_t i = 0; i < COUNT(streams); i++) {
        assert_int_equal(sync_open(f->fs, "/f", streams[i], &file), GW_OK);
        assert_ptr_equal(file->fs, f->inner);
        assert_int_equal(fail_fs_last_flags(f->inner) & FS_READ, 0);
        fs_abort(&file);
    }
    assert_int_equal(sync_open(f->fs, "/new", FS_WRITE | FS_CREATE, &file), GW_OK);
    assert_false(s.done);
    assert_int_equal(sync_close(&file), GW_OK);
    expect_content(f, "/new", "");
    expect_content(f, "/f", "old");
    struct fs_attr size = {.set = FS_ATTR_SIZE, .size = 2};
    fail_fs_set(f->inner, &(struct fail_fs_rule){.call = FAIL_FS_SETSTAT,
                                                 .how = FAIL_FS_BEFORE,
                                                 .err = GW_UNSUPPORTED,
                                                 .text = "the store's own"});
    s.op = fs_setstat(f->fs, "/f", true, &size, sync_done, &s);
    assert_int_equal(sync_wait(f->loop, &s), GW_UNSUPPORTED);
    assert_non_null(strstr(s.text, "state_dir"));
    size.size = 0; /* an upload of nothing */
    assert_int_equal(sync_setstat(f->fs, "/f", true, &size), GW_OK);
    expect_content(f, "/f", "");
    assert_false((f->fs->caps & FS_CAP_READ_ONLY) != 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_edits),
        ROW(test_streams),
        ROW(test_holes_and_modes),
        ROW(test_unchanged),
        ROW(test_setstat_of_a_size),
        ROW(test_several_handles),
        ROW(test_no_room),
        ROW(test_failures),
        ROW(test_cancel),
        cmocka_unit_test_setup_teardown(test_without, setup_without, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
