/* Open files of a remote store: what each of the two roles answers, what is refused with which
 * words, what is remembered for the commit. The store is made up: it asks no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "backends/remote_open.h"
#include "gateway/base/mem.h"
#include "tests/support/sync.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { SIZE = 1000, NOW_AT_LEAST = 1700000000 };

struct fixture {
    struct loop *loop;
    struct budget *budget;
    struct fs fs;
    struct fs_attr asked; /* of the store, by set() */
    enum gw_err refused;  /* by it */
    uint32_t keeps;       /* of what it is asked */
    unsigned sets, commits, drops;
    struct fs_file *reader, *writer;
};

static struct fixture *of(const struct remote_file *f)
{
    return (struct fixture *)(void *)((char *)f->base.fs - offsetof(struct fixture, fs));
}

static struct op *set(struct remote_file *f, const struct fs_attr *attr, fs_done_fn *done,
                      void *arg)
{
    of(f)->sets++;
    of(f)->asked = *attr;
    if (of(f)->refused != GW_OK)
        return fs_fail(f->base.fs->loop, of(f)->refused, NULL, done, arg);
    struct fs_attr kept = *attr;
    kept.set &= of(f)->keeps;
    return fs_ok(f->base.fs->loop, &kept, done, arg);
}

static struct op *commit(struct remote_file *f, fs_done_fn *done, void *arg)
{
    struct loop *l = f->base.fs->loop;
    of(f)->commits++;
    remote_file_free(&f);
    return fs_ok(l, NULL, done, arg);
}

static void drop(struct remote_file *f)
{
    of(f)->drops++;
}

static uint64_t size_of_part(void *arg, uint32_t number)
{
    (void)arg;
    return number == 1 ? SIZE : 0;
}

static bool ready(void *arg, uint32_t number)
{
    (void)arg;
    (void)number;
    return true;
}

static void full(void *arg, struct part **pp)
{
    (void)arg;
    part_free(pp);
}

static struct op *get(void *src, const struct read_ahead_range *range, http_head_fn *on_head,
                      http_body_fn *on_body, remote_done_fn *done, void *arg)
{
    (void)src, (void)range, (void)on_head, (void)on_body, (void)done, (void)arg;
    fail_msg("nothing is to be asked of a server");
    return NULL;
}

static const struct fs_type view_type = {REMOTE_FILE_ROWS};
static const struct remote_file_type read_type = {.set = set};
static const struct remote_file_type write_type = {.commit = commit, .drop = drop};
static const struct read_ahead_type ahead_type = {.name = "nobody", .get = get};
static const struct part_writer_type parts_type = {
    .max_bytes = 10 * SIZE, .size = size_of_part, .ready = ready, .full = full};

static struct fs_file *reader_new(struct fixture *x, const char *etag)
{
    struct remote_file *f = remote_file_new(sizeof *f, &read_type, &x->fs, "/from", NULL);
    f->attr = (struct fs_attr){.set = FS_ATTR_SIZE, .kind = FS_KIND_REG, .size = SIZE};
    f->ahead = read_ahead_new(&(struct read_ahead_conf){
        .type = &ahead_type, .src = f, .loop = x->loop, .budget = x->budget, .concurrency = 1});
    assert_true(read_ahead_know(f->ahead, &f->attr, etag));
    return &f->base;
}

static struct fs_file *writer_new(struct fixture *x)
{
    struct remote_file *f = remote_file_new(sizeof *f, &write_type, &x->fs, "/to", NULL);
    f->parts = part_writer_new(&(struct part_writer_conf){
        .type = &parts_type, .arg = f, .loop = x->loop, .budget = x->budget});
    return &f->base;
}

static int setup(void **state)
{
    struct fixture *x = mem_zalloc(sizeof *x);
    assert_int_equal(loop_new(&x->loop), GW_OK);
    x->budget = budget_new((size_t)16 << 20);
    x->fs = (struct fs){.type = &view_type, .loop = x->loop, .caps = FS_CAP_COPY};
    x->reader = reader_new(x, "\"tag\"");
    x->writer = writer_new(x);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    fs_abort(&x->reader);
    fs_abort(&x->writer);
    assert_int_equal(budget_used(x->budget), 0);
    loop_free(&x->loop);
    budget_free(&x->budget);
    mem_free(x);
    return 0;
}

static enum gw_err wait_for(struct fixture *x, struct sync *s, struct op *op)
{
    s->op = op;
    return sync_wait(x->loop, s);
}

static enum gw_err fsetstat(struct fixture *x, struct fs_file *f, const struct fs_attr *attr,
                            struct sync *s)
{
    *s = (struct sync){0};
    return wait_for(x, s, fs_fsetstat(f, attr, sync_done, s));
}

static void test_roles(void **state)
{
    struct fixture *x = *state;
    uint8_t to[8];
    size_t n = 1;
    struct sync s = {0};
    assert_int_equal(fs_read_now(x->writer, 0, to, sizeof to, &n), GW_BUSY);
    assert_int_equal(n, 0);
    assert_int_equal(wait_for(x, &s, fs_read(x->writer, 0, sizeof to, sync_done, &s)),
                     GW_UNSUPPORTED);
    assert_non_null(strstr(s.text, "state_dir"));
    s = (struct sync){0};
    const struct gw_span bytes = gw_span_of("ab", 2);
    assert_int_equal(fs_write_now(x->reader, 0, bytes), GW_BUSY);
    assert_int_equal(wait_for(x, &s, fs_write(x->reader, 0, bytes, sync_done, &s)), GW_DENIED);
    assert_string_equal(s.text, "the file is open for reading only");
    s = (struct sync){0};
    assert_int_equal(wait_for(x, &s, fs_fsync(x->reader, sync_done, &s)), GW_OK);
    s = (struct sync){0};
    assert_int_equal(wait_for(x, &s, fs_fsync(x->writer, sync_done, &s)), GW_UNSUPPORTED);
    assert_string_equal(s.text, "a file of this store is stored at its close");
    assert_int_equal(sync_close(&x->reader), GW_OK);
    assert_int_equal(sync_close(&x->writer), GW_OK);
    assert_int_equal(x->commits, 1);
    assert_int_equal(x->drops, 1);
}

static void test_abort(void **state)
{
    struct fixture *x = *state;
    assert_int_equal(fs_write_now(x->writer, 0, gw_span_of("ab", 2)), GW_OK);
    fs_abort(&x->writer);
    fs_abort(&x->reader);
    assert_int_equal(x->commits, 0);
    assert_int_equal(x->drops, 1);
}

static void test_open_flags(void **state)
{
    static const struct {
        uint32_t flags, caps;
        enum gw_err err;
    } rows[] = {
        {FS_READ, 0, GW_OK},
        {FS_READ, FS_CAP_READ_ONLY, GW_OK},
        {FS_WRITE | FS_CREATE | FS_TRUNC, 0, GW_OK},
        {FS_WRITE, FS_CAP_READ_ONLY, GW_READ_ONLY},
        {FS_APPEND, FS_CAP_READ_ONLY, GW_READ_ONLY},
        {FS_READ | FS_WRITE, 0, GW_UNSUPPORTED},
        {FS_WRITE | FS_APPEND, 0, GW_UNSUPPORTED},
        {FS_APPEND, 0, GW_UNSUPPORTED},
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sync s = {0};
        x->fs.caps = rows[i].caps;
        struct op *op = remote_open_refuse(&x->fs, rows[i].flags, sync_done, &s);
        assert_int_equal(op == NULL, rows[i].err == GW_OK);
        if (op != NULL)
            assert_int_equal(wait_for(x, &s, op), rows[i].err);
    }
}

static void test_open_onto(void **state)
{
    enum { PUT = FS_WRITE | FS_CREATE | FS_TRUNC };
    static const struct fs_attr dir = {.kind = FS_KIND_DIR};
    static const struct fs_attr file = {.set = FS_ATTR_SIZE, .kind = FS_KIND_REG, .size = 1};
    static const struct fs_attr empty = {.set = FS_ATTR_SIZE, .kind = FS_KIND_REG};
    static const struct {
        uint32_t flags;
        const struct fs_attr *there;
        enum gw_err err;
    } rows[] = {
        {PUT, NULL, GW_OK},
        {PUT, &file, GW_OK},
        {PUT, &dir, GW_IS_DIR},
        {PUT | FS_EXCL, NULL, GW_OK},
        {PUT | FS_EXCL, &file, GW_EXISTS},
        {PUT | FS_EXCL, &dir, GW_EXISTS},
        {FS_WRITE, NULL, GW_NOT_FOUND},
        {FS_WRITE, &file, GW_UNSUPPORTED},
        {FS_WRITE, &empty, GW_OK},
        {FS_WRITE | FS_TRUNC, &file, GW_OK},
        {FS_WRITE | FS_CREATE, &file, GW_UNSUPPORTED},
        {FS_WRITE | FS_CREATE, &empty, GW_OK},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *text = "none";
        assert_int_equal(remote_open_onto(rows[i].flags, rows[i].there, &text), rows[i].err);
        if (rows[i].err == GW_UNSUPPORTED)
            assert_string_equal(text, PART_WRITER_RANDOM);
        else
            assert_null(text);
    }
}

static void test_attributes_of_a_reader(void **state)
{
    struct fixture *x = *state;
    struct sync s = {0};
    assert_int_equal(wait_for(x, &s, fs_fstat(x->reader, sync_done, &s)), GW_OK);
    assert_int_equal(s.attr.size, SIZE);
    struct fs_attr a = {
        .set = FS_ATTR_SIZE | FS_ATTR_MTIME | FS_ATTR_MODE, .size = SIZE, .mtime_s = 7};
    assert_int_equal(fsetstat(x, x->reader, &a, &s), GW_OK);
    assert_int_equal(x->sets, 1);
    assert_int_equal(x->asked.set, FS_ATTR_MTIME | FS_ATTR_MODE);
    assert_int_equal(x->asked.mtime_s, 7);
    a.size--;
    assert_int_equal(fsetstat(x, x->reader, &a, &s), GW_UNSUPPORTED);
    assert_string_equal(s.text, "this store takes whole files: one cannot be cut or extended");
    x->fs.caps |= FS_CAP_READ_ONLY;
    a.set = FS_ATTR_MTIME;
    assert_int_equal(fsetstat(x, x->reader, &a, &s), GW_READ_ONLY);
    assert_int_equal(x->sets, 1);
}

/* What was set is what FSTAT says from then on: of what the store keeps, and once it has it. */
static void test_set_on_a_reader(void **state)
{
    struct fixture *x = *state;
    static const struct fs_attr old = {
        .set = FS_ATTR_MTIME | FS_ATTR_MODE, .mtime_s = 1, .mode = 0644};
    static const struct {
        uint32_t keeps, set;
        enum gw_err err;
        int64_t mtime_s;
        uint32_t mode;
    } rows[] = {
        {FS_ATTR_MTIME, FS_ATTR_MTIME, GW_DENIED, 1, 0644},
        {0, FS_ATTR_MTIME, GW_OK, 1, 0644},
        {FS_ATTR_MODE, FS_ATTR_MTIME | FS_ATTR_MODE, GW_OK, 1, 0600},
        {FS_ATTR_MTIME, FS_ATTR_MTIME | FS_ATTR_MODE, GW_OK, 7, 0644},
        {FS_ATTR_MTIME | FS_ATTR_MODE, FS_ATTR_ATIME, GW_OK, 1, 0644},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct remote_file *r = (struct remote_file *)x->reader;
        const struct fs_attr a = {
            .set = rows[i].set, .mtime_s = 7, .mtime_ns = 8, .atime_s = 9, .mode = 0600};
        struct sync s = {0};
        r->attr = old;
        x->keeps = rows[i].keeps;
        x->refused = rows[i].err;
        assert_int_equal(fsetstat(x, x->reader, &a, &s), rows[i].err);
        s = (struct sync){0};
        assert_int_equal(wait_for(x, &s, fs_fstat(x->reader, sync_done, &s)), GW_OK);
        assert_int_equal(s.attr.mtime_s, rows[i].mtime_s);
        assert_int_equal(s.attr.mtime_ns, rows[i].mtime_s == 7 ? 8 : 0);
        assert_int_equal(s.attr.mode, rows[i].mode);
    }
}

static void test_attributes_of_a_writer(void **state)
{
    struct fixture *x = *state;
    struct remote_file *w = (struct remote_file *)x->writer;
    struct sync s = {0};
    assert_int_equal(fs_write_now(x->writer, 0, gw_span_of("abc", 3)), GW_OK);
    assert_int_equal(wait_for(x, &s, fs_fstat(x->writer, sync_done, &s)), GW_OK);
    assert_int_equal(s.attr.size, 3);
    assert_true((s.attr.set & FS_ATTR_MTIME) && s.attr.mtime_s > NOW_AT_LEAST);

    struct fs_attr a = {.set = FS_ATTR_MODE | FS_ATTR_OWNER, .mode = 0600};
    assert_int_equal(fsetstat(x, x->writer, &a, &s), GW_OK);
    assert_int_equal(w->attr.set, 0);
    w->strict = true;
    assert_int_equal(fsetstat(x, x->writer, &a, &s), GW_UNSUPPORTED);
    a = (struct fs_attr){.set = FS_ATTR_SIZE, .size = 4};
    assert_int_equal(fsetstat(x, x->writer, &a, &s), GW_UNSUPPORTED);
    a = (struct fs_attr){
        .set = FS_ATTR_SIZE | FS_ATTR_MTIME, .size = 3, .mtime_s = 7, .mtime_ns = 8};
    assert_int_equal(fsetstat(x, x->writer, &a, &s), GW_OK);
    assert_int_equal(w->attr.set, FS_ATTR_MTIME);
    assert_int_equal(w->attr.mtime_ns, 8);
    s = (struct sync){0};
    assert_int_equal(wait_for(x, &s, fs_fstat(x->writer, sync_done, &s)), GW_OK);
    assert_int_equal(s.attr.mtime_s, 7);
    assert_int_equal(x->sets, 0);
}

static enum gw_err copy(struct fixture *x, struct fs_file *from, uint64_t off, uint64_t len,
                        struct fs_file *to)
{
    struct sync s = {0};
    enum gw_err err = wait_for(x, &s, fs_copy(from, off, len, to, off, sync_done, &s));
    if (err == GW_OK)
        assert_int_equal(s.bytes, SIZE);
    else
        assert_string_equal(s.text, "this store copies whole files into new ones only");
    return err;
}

static void test_copy(void **state)
{
    struct fixture *x = *state;
    struct remote_file *w = (struct remote_file *)x->writer;
    assert_int_equal(copy(x, x->reader, 1, 0, x->writer), GW_UNSUPPORTED);
    assert_int_equal(copy(x, x->reader, 0, SIZE - 1, x->writer), GW_UNSUPPORTED);
    assert_int_equal(copy(x, x->reader, 0, 0, x->reader), GW_UNSUPPORTED);
    assert_int_equal(copy(x, x->writer, 0, 0, x->writer), GW_UNSUPPORTED);
    x->fs.caps = 0;
    assert_int_equal(copy(x, x->reader, 0, 0, x->writer), GW_UNSUPPORTED);
    x->fs.caps = FS_CAP_COPY;
    assert_null(w->source);
    assert_int_equal(copy(x, x->reader, 0, SIZE + 5, x->writer), GW_OK);
    assert_string_equal(w->source, "/from");
    assert_string_equal(w->source_etag, "\"tag\"");
    assert_int_equal(remote_file_size(w), SIZE);
    assert_int_equal(copy(x, x->reader, 0, 0, x->writer), GW_UNSUPPORTED);
    /* Nothing more is written to it. */
    struct sync s = {0};
    const struct gw_span bytes = gw_span_of("ab", 2);
    assert_int_equal(fs_write_now(x->writer, SIZE, bytes), GW_BUSY);
    assert_int_equal(wait_for(x, &s, fs_write(x->writer, SIZE, bytes, sync_done, &s)),
                     GW_UNSUPPORTED);
    assert_string_equal(s.text, PART_WRITER_RANDOM);
}

static void test_copy_after_a_write(void **state)
{
    struct fixture *x = *state;
    assert_int_equal(fs_write_now(x->writer, 0, gw_span_of("ab", 2)), GW_OK);
    assert_int_equal(copy(x, x->reader, 0, 0, x->writer), GW_UNSUPPORTED);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_roles),
        ROW(test_abort),
        ROW(test_open_flags),
        ROW(test_open_onto),
        ROW(test_attributes_of_a_reader),
        ROW(test_set_on_a_reader),
        ROW(test_attributes_of_a_writer),
        ROW(test_copy),
        ROW(test_copy_after_a_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
