#include "gateway/io/proc.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants some of the above first
#include <cmocka.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/child.h"
#include "gateway/io/child_stderr.h"
#include "tests/support/sync.h"

/* libuv closes descriptors by a system call that the thread sanitizer does not see, so it takes the
 * next one of that number, on another loop, for the same. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libuv.so\nrace:uv_pipe\nrace:death_closed\nrace:ends_close\n";
}

#define MAX_OUT (64u * 1024u)

static const char *const no_env[] = {NULL};

struct run {
    struct op *op;
    unsigned calls;
    enum gw_err err;
    int exit_code;
    char out[MAX_OUT + 1], text[256];
};

static void on_done(void *arg, const struct proc_res *res)
{
    struct run *r = arg;
    r->op = NULL;
    r->calls++;
    r->err = res->err;
    r->exit_code = res->exit_code;
    assert_true(res->out.len <= MAX_OUT);
    snprintf(r->out, sizeof r->out, "%.*s", (int)res->out.len,
             res->out.len > 0 ? (const char *)res->out.ptr : "");
    snprintf(r->text, sizeof r->text, "%s", res->text);
}

static bool is_done(void *arg)
{
    return ((struct run *)arg)->calls > 0;
}

static struct op *start(struct loop *l, const char *script, struct gw_span in, uint64_t timeout_ms,
                        struct run *r)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    *r = (struct run){.calls = 0};
    return proc_start(
        l,
        &(struct proc_req){
            .argv = argv, .env = no_env, .in = in, .max_out = MAX_OUT, .timeout_ms = timeout_ms},
        on_done, r);
}

static int setup(void **state)
{
    struct loop *l = NULL;
    signal(SIGPIPE, SIG_IGN);
    log_level_now = LOG_LVL_ERROR;
    assert_int_equal(loop_new(&l), GW_OK);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct loop *l = *state;
    loop_free(&l);
    return 0;
}

static void test_rows(void **state)
{
    static const struct {
        const char *script, *in;
        enum gw_err err;
        int exit_code;
        const char *out, *text;
    } rows[] = {
        {"cat", "hello", GW_OK, 0, "hello", ""},
        {"cat /dev/stdin", "by its name", GW_OK, 0, "by its name", ""},
        {"cat", "", GW_OK, 0, "", ""},
        {"echo no; exit 3", "", GW_OK, 3, "no\n", ""},
        /* ends before it has read, and never reads what does not fit a pipe */
        {"exec <&-; echo early", "x", GW_OK, 0, "early\n", ""},
        {"exit 0", "BIG", GW_OK, 0, "", ""},
        {"sleep 60", "BIG", GW_TIMEOUT, -1, "", "the program did not end in time"},
        /* reads all, says nothing, stays */
        {"cat >/dev/null; sleep 60", "x", GW_TIMEOUT, -1, "", "the program did not end in time"},
        {"exec >&- 2>&-; sleep 60", "x", GW_TIMEOUT, -1, "", "the program did not end in time"},
        {"trap '' TERM; while :; do sleep 1; done", "", GW_TIMEOUT, -1, "", "did not end in time"},
        {"kill -9 $$", "", GW_UPSTREAM, -1, "", "killed by signal 9"},
        {"echo part; kill -TERM $$", "", GW_UPSTREAM, -1, "part\n", "killed by signal 15"},
        /* 10 MiB where 64 KiB are allowed; and exactly as much as is allowed */
        {"head -c 10485760 /dev/zero", "", GW_TOO_LARGE, -1, NULL, "too long"},
        {"head -c 65536 /dev/zero | tr '\\0' a", "", GW_OK, 0, NULL, ""},
        {"head -c 65537 /dev/zero | tr '\\0' a", "", GW_TOO_LARGE, -1, NULL, "too long"},
        {"while :; do echo noise >&2; done", "", GW_TIMEOUT, -1, "", "did not end in time"},
        {"head -c 150000 /dev/zero >&2; echo out", "", GW_OK, 0, "out\n", ""},
        /* leaves a process that holds the pipes: of its group, and of a session of its own */
        {"sleep 61 & echo forked", "", GW_OK, 0, "forked\n", ""},
        {"setsid sleep 2 & sleep 0.2; echo forked", "", GW_OK, 0, "forked\n", ""},
        {"kill -STOP $$", "", GW_TIMEOUT, -1, "", "did not end in time"},
    };
    struct gw_buf big;
    gw_buf_init(&big, 1000000);
    memset(gw_buf_reserve(&big, 1000000), 'b', 1000000);
    gw_buf_commit(&big, 1000000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run r;
        bool is_big = strcmp(rows[i].in, "BIG") == 0;
        struct gw_span in = is_big ? gw_buf_span(&big) : gw_span_str(rows[i].in);
        uint64_t patience = rows[i].err == GW_TIMEOUT ? 300 : 20000;
        r.op = start(*state, rows[i].script, in, patience, &r);
        assert_int_equal(r.calls, 0);
        assert_true(sync_until(*state, is_done, &r));
        if (r.err != rows[i].err || r.exit_code != rows[i].exit_code ||
            (rows[i].out != NULL && strcmp(r.out, rows[i].out) != 0) ||
            strstr(r.text, rows[i].text) == NULL)
            fail_msg("%s: %s, exit %d, '%s', %s", rows[i].script, gw_err_name(r.err), r.exit_code,
                     r.out, r.text);
        assert_int_equal(r.calls, 1);
    }
    gw_buf_free(&big);
}

static void test_not_started(void **state)
{
    static const struct {
        const char *path;
        enum gw_err err;
        const char *text;
    } rows[] = {
        {"/nonexistent/program", GW_NOT_FOUND,
         "/nonexistent/program cannot be started: no such file or directory"},
        {"/etc/passwd", GW_DENIED, "permission denied"},
        {"/", GW_DENIED, "permission denied"},
        {"/etc/passwd/x", GW_NOT_FOUND, "not a directory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *argv[] = {rows[i].path, NULL};
        struct run r = {.calls = 0};
        struct proc_req req = {.argv = argv, .env = no_env, .in = gw_span_str("x"), .max_out = 1};
        r.op = proc_start(*state, &req, on_done, &r);
        assert_int_equal(r.calls, 0);
        assert_true(sync_until(*state, is_done, &r));
        assert_int_equal(r.err, rows[i].err);
        assert_non_null(strstr(r.text, rows[i].text));
        r = (struct run){.calls = 0};
        r.op = proc_start(*state, &req, on_done, &r);
        op_cancel(&r.op);
        loop_poll(*state);
        assert_int_equal(r.calls, 0);
    }
}

/* Three descriptors, the environment that was given, a session of its own, no signal ignored. */
static void test_inherits_nothing(void **state)
{
    const char *argv[] = {"/bin/sh", "-c",
                          "for f in /proc/$$/fd/*; do test -e $f && echo -n \"${f##*/} \"; done; "
                          "env | sort | tr '\\n' ' '; "
                          "test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leader; "
                          "grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2",
                          NULL};
    const char *env[] = {"ONE=1", "PATH=/usr/bin:/bin", NULL};
    /* What a library leaves open to children, and what the gateway ignores. */
    int leaks[3] = {open("/dev/null", O_RDONLY), socket(AF_INET, SOCK_STREAM, 0), -1};
    leaks[2] = fcntl(leaks[0], F_DUPFD, 700);
    assert_true(leaks[0] >= 0 && leaks[1] >= 0 && leaks[2] >= 700);
    char cwd[4096];
    assert_non_null(getcwd(cwd, sizeof cwd));
    struct run r = {.calls = 0};
    sigset_t usr, old;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr, &old);
    r.op = proc_start(*state, &(struct proc_req){.argv = argv, .env = env, .max_out = MAX_OUT},
                      on_done, &r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert_true(sync_until(*state, is_done, &r));
    assert_string_equal(r.text, "");
    char *want = mem_printf("0 1 2 ONE=1 PATH=/usr/bin:/bin PWD=%s leader\n", cwd);
    assert_memory_equal(r.out, want, strlen(want));
    char *masks = r.out + strlen(want);
    assert_int_equal(strtoull(masks, &masks, 16), 0);
    /* glibc leaves its own two real-time signals ignored. */
    assert_int_equal(strtoull(masks, &masks, 16) & 0x7fffffff, 0);
    mem_free(want);
    for (size_t i = 0; i < 3; i++)
        close(leaks[i]);
}

/* A process that writes its number to a file. */
struct forked {
    int fd;
    pid_t pid;
};

static bool is_there(void *arg)
{
    struct forked *f = arg;
    char text[32] = "";
    ssize_t n = pread(f->fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    f->pid = strchr(text, '\n') != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
    return f->pid > 0;
}

static bool is_gone(void *arg)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", ((struct forked *)arg)->pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return true;
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    fclose(f);
    return strstr(text, ") Z ") != NULL; /* whoever adopted it reaps it when it likes */
}

/* The group goes with its leader: after the end, a timeout and a cancel. */
static void test_forks_end(void **state)
{
    static const struct {
        const char *script;
        uint64_t timeout_ms;
        bool cancel;
    } rows[] = {
        {"sleep 62 & echo $! >&3; echo done", 0, false},
        {"sleep 62 & echo $! >&3; sleep 63", 500, false},
        {"sleep 62 & echo $! >&3; sleep 63", 0, true},
        {"trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $! >&3; wait", 0, true},
    };
    char path[] = "/tmp/test_proc.XXXXXX";
    struct forked f = {.fd = mkstemp(path)};
    assert_true(f.fd >= 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *script = mem_printf("exec 3>%s; %s", path, rows[i].script);
        struct run r;
        assert_int_equal(ftruncate(f.fd, 0), 0);
        r.op = start(*state, script, gw_span_str(""), rows[i].timeout_ms, &r);
        assert_true(sync_until(*state, is_there, &f));
        if (rows[i].cancel)
            op_cancel(&r.op);
        else
            assert_true(sync_until(*state, is_done, &r));
        assert_true(sync_until(*state, is_gone, &f));
        assert_int_equal(r.calls, rows[i].cancel ? 0 : 1);
        mem_free(script);
    }
    close(f.fd);
    unlink(path);
}

/* At every step of a run's life. */
static void test_cancel(void **state)
{
    static const char script[] = "read x; echo $x; sleep 0.01; echo more >&2; echo end";
    for (unsigned turns = 0;; turns++) {
        struct run r;
        r.op = start(*state, script, gw_span_str("in\n"), 5000, &r);
        for (unsigned i = 0; i < turns && r.calls == 0; i++)
            loop_turn(*state);
        if (r.calls > 0) {
            assert_string_equal(r.out, "in\nend\n");
            assert_true(turns > 0); /* a busy machine brings much of it in one turn */
            break;
        }
        op_cancel(&r.op);
        assert_null(r.op);
        loop_poll(*state);
        assert_int_equal(r.calls, 0);
    }
}

/* The loop's end waits for what was cancelled: an orphan that minds no TERM is killed. */
static void test_orphans(void **state)
{
    (void)state;
    struct loop *l = NULL;
    struct run r;
    assert_int_equal(loop_new(&l), GW_OK);
    r.op = start(l, "trap '' TERM; echo; while :; do sleep 1; done", gw_span_str(""), 0, &r);
    loop_turn(l);
    op_cancel(&r.op);
    loop_free(&l);
    assert_int_equal(r.calls, 0);
}

static size_t log_lines(const char *path, char *first, size_t cap)
{
    FILE *f = fopen(path, "r");
    char line[4096];
    size_t n = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strstr(line, "program_stderr") != NULL && n++ == 0)
            snprintf(first, cap, "%s", line);
    fclose(f);
    return n;
}

static void test_stderr(void **state)
{
    static const struct {
        const char *script, *first;
        size_t least, most;
    } rows[] = {
        {"echo one >&2; printf two >&2", "program=sh pid=", 2, 2},
        {"printf '\\033[2Jforged\\n\\n\\nx' >&2", "line=\"\\x1b[2Jforged\"", 2, 2},
        {"head -c 3000 /dev/zero | tr '\\0' a >&2", "aaaa", 3, 3},
        /* no faster than so many a second */
        {"i=0; while [ $i -lt 150 ]; do echo $i >&2; i=$((i+1)); done; sleep 0.2", "line=0",
         CHILD_STDERR_LINES, 150},
        {"while :; do echo flood >&2; done", "line=flood", CHILD_STDERR_LINES,
         2 * CHILD_STDERR_LINES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[] = "/tmp/test_proc.XXXXXX";
        char first[4096] = "";
        struct run r;
        close(mkstemp(path));
        struct log_conf conf = {.level = LOG_LVL_INFO, .output = LOG_TO_FILE, .path = path};
        assert_int_equal(log_open(&conf, NULL), GW_OK);
        r.op = start(*state, rows[i].script, gw_span_str(""), 500, &r);
        assert_true(sync_until(*state, is_done, &r));
        for (unsigned k = 0; k < 20; k++) /* an orphan's last words */
            loop_poll(*state);
        log_close();
        log_level_now = LOG_LVL_ERROR;
        size_t n = log_lines(path, first, sizeof first);
        unlink(path);
        if (n < rows[i].least || n > rows[i].most || strstr(first, rows[i].first) == NULL)
            fail_msg("%s: %zu lines, first %s", rows[i].script, n, first);
    }
}

/* Programs of several loops at once, each on a thread that takes no signals (as workers do). */
struct many {
    pthread_t thread;
    unsigned right;
};

static void *many_main(void *arg)
{
    struct many *m = arg;
    struct loop *l = NULL;
    struct run runs[8];
    if (loop_new(&l) != GW_OK)
        return NULL;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 8; i++) {
            char script[64];
            snprintf(script, sizeof script, "cat; exit %u", i);
            runs[i].op = start(l, script, gw_span_str("in"), 20000, &runs[i]);
        }
        for (unsigned i = 0; i < 8; i++)
            if (sync_until(l, is_done, &runs[i]) && runs[i].exit_code == (int)i &&
                strcmp(runs[i].out, "in") == 0)
                m->right++;
    }
    loop_free(&l);
    return NULL;
}

static void test_loops(void **state)
{
    (void)state;
    struct many many[4] = {{.right = 0}};
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&many[i].thread, NULL, many_main, &many[i]), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(many[i].thread, NULL);
        assert_int_equal(many[i].right, 80);
    }
}

/* Out of descriptors, at each of those that a start needs: an error, and none of them is lost. */
static void test_descriptors(void **state)
{
    struct rlimit old, few;
    bool started = false;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    int first = fcntl(0, F_DUPFD_CLOEXEC, 3);
    close(first);
    for (few.rlim_cur = (rlim_t)first; !started; few.rlim_cur++) {
        struct run r;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r.op = start(*state, "cat", gw_span_str("in"), 20000, &r);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_true(sync_until(*state, is_done, &r));
        started = r.err == GW_OK;
        if (!started)
            assert_int_equal(r.err, GW_BUSY);
        int now = fcntl(0, F_DUPFD_CLOEXEC, 3);
        close(now);
        assert_int_equal(now, first);
    }
    assert_true(few.rlim_cur >= (rlim_t)first + 7); /* three pipes and a pidfd */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_started, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherits_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forks_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stderr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
