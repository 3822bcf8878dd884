#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

static char dir[64];
static char path[128];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/postern-log-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    log_level_now = LOG_LVL_INFO;
    (void)remove(path);
    (void)rmdir(dir);
    return 0;
}

static void open_log(enum log_format format, enum log_level level)
{
    struct gw_errmsg msg;
    const struct log_conf conf = {
        .level = level, .format = format, .output = LOG_TO_FILE, .path = path};
    if (log_open(&conf, &msg) != GW_OK)
        fail_msg("%s", msg.text);
}

/* Stops the log and gives what it has written. */
static char *written(void)
{
    struct gw_buf b;
    log_close();
    gw_buf_init(&b, 64u << 20);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n = 1; n > 0;) {
        uint8_t *to = gw_buf_reserve(&b, 65536);
        assert_non_null(to);
        n = fread(to, 1, 65536, f);
        gw_buf_commit(&b, n);
    }
    fclose(f);
    char *text = mem_strdup(gw_buf_cstr(&b));
    gw_buf_free(&b);
    return text;
}

/* One line with one value: what stands behind "v=", and what JSON makes of it. */
static void test_escaping(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text, *json;
    } rows[] = {
        {"plain", "plain", "plain"},
        {"", "\"\"", ""},
        {"a b", "\"a b\"", "a b"},
        {"a=b", "\"a=b\"", "a=b"},
        {"say \"hi\"", "\"say \\\"hi\\\"\"", "say \"hi\""},
        {"back\\slash", "\"back\\\\slash\"", "back\\slash"},
        /* A forged line. */
        {"x\n2026-01-01T00:00:00.000Z info login user=root",
         "\"x\\n2026-01-01T00:00:00.000Z info login user=root\"",
         "x\n2026-01-01T00:00:00.000Z info login user=root"},
        {"\r\t", "\"\\x0d\\x09\"", "\r\t"},
        /* What a terminal would obey. */
        {"\x1b[2J\x1b]0;owned\x07", "\"\\x1b[2J\\x1b]0;owned\\x07\"", "\x1b[2J\x1b]0;owned\x07"},
        {"\x7f", "\"\\x7f\"", "\x7f"},
        {"\xc2\x9b"
         "2J",
         "\"\\u{9b}2J\"",
         "\xc2\x9b"
         "2J"},
        /* What turns the rest of the line round, or hides. */
        {"\xe2\x80\xaegpj.exe", "\"\\u{202e}gpj.exe\"", "\xe2\x80\xaegpj.exe"},
        {"\xe2\x81\xa6x\xe2\x81\xa9", "\"\\u{2066}x\\u{2069}\"", "\xe2\x81\xa6x\xe2\x81\xa9"},
        {"\xe2\x80\x8fx", "\"\\u{200f}x\"", "\xe2\x80\x8fx"},
        {"\xd8\x9cx", "\"\\u{61c}x\"", "\xd8\x9cx"},
        {"\xe2\x80\xa8", "\"\\u{2028}\"", "\xe2\x80\xa8"},
        {"\xef\xbb\xbf", "\"\\u{feff}\"", "\xef\xbb\xbf"},
        {"\xf3\xa0\x81\x81", "\"\\u{e0041}\"", "\xf3\xa0\x81\x81"},
        {"j\xc3\xbcrgen", "\"j\xc3\xbcrgen\"", "j\xc3\xbcrgen"},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80"},
        /* What is not UTF-8, byte for byte. */
        {"a\xff"
         "b",
         "\"a\\xffb\"",
         "a\xc3\xbf"
         "b"},
        {"\xc3", "\"\\xc3\"", "\xc3\x83"},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\xc3\xad\xc2\xa0\xc2\x80"},
        {"\xc0\xaf", "\"\\xc0\\xaf\"", "\xc3\x80\xc2\xaf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_log(LOG_TEXT, LOG_LVL_INFO);
        LOG_EVENT(LOG_LVL_INFO, NULL, "row", log_str("v", rows[i].value));
        char *text = written();
        char *v = strstr(text, " info row v=");
        assert_non_null(v);
        assert_int_equal(text[strlen(text) - 1], '\n');
        text[strlen(text) - 1] = '\0';
        assert_null(strchr(text, '\n'));
        assert_string_equal(v + strlen(" info row v="), rows[i].text);
        mem_free(text);
        (void)remove(path);

        open_log(LOG_JSON, LOG_LVL_INFO);
        LOG_EVENT(LOG_LVL_INFO, NULL, "row", log_str("v", rows[i].value));
        text = written();
        json_t *o = json_loads(text, 0, NULL);
        if (o == NULL)
            fail_msg("no JSON: %s", text);
        assert_string_equal(json_string_value(json_object_get(o, "v")), rows[i].json);
        assert_string_equal(json_string_value(json_object_get(o, "event")), "row");
        assert_string_equal(json_string_value(json_object_get(o, "level")), "info");
        assert_int_equal(json_object_size(o), 4);
        for (const char *p = text; *p != '\0'; p++) /* nothing raw that a terminal obeys */
            assert_true((uint8_t)*p >= 0x20 || p[1] == '\0');
        json_decref(o);
        mem_free(text);
        (void)remove(path);
    }
}

static void test_values(void **state)
{
    (void)state;
    const struct log_ctx session = {NULL, "session", "4f2a"};
    const struct log_ctx user = {&session, "user", "a b"};
    const struct log_ctx nothing = {&user, "gone", NULL};
    open_log(LOG_TEXT, LOG_LVL_INFO);
    LOG_EVENT(LOG_LVL_WARN, &nothing, "close", log_u64("bytes", UINT64_MAX),
              log_i64("left", INT64_MIN), log_bool("ok", true), log_bool("bad", false),
              log_str("none", NULL), log_bytes("cut", "abc\0def", 7));
    log_msg(LOG_LVL_INFO, NULL, "words", "%d of %s", 3, "four");
    LOG_EVENT(LOG_LVL_DEBUG, NULL, "hidden", log_u64("x", 1));
    LOG_DBG(NULL, "hidden", "%d", 1);
    char *text = written();
    assert_non_null(strstr(text, "Z warn close session=4f2a user=\"a b\" "
                                 "bytes=18446744073709551615 left=-9223372036854775808 ok=true "
                                 "bad=false cut=\"abc\\x00def\"\n"));
    assert_non_null(strstr(text, "Z info words msg=\"3 of four\"\n"));
    assert_null(strstr(text, "hidden"));
    mem_free(text);
}

/* However long what a peer sends: the event is there, whole and valid. */
static void test_long_values(void **state)
{
    (void)state;
    char *big = mem_alloc(200001);
    memset(big, 0x01, 200000); /* six bytes each in JSON */
    big[200000] = '\0';
    open_log(LOG_JSON, LOG_LVL_INFO);
    LOG_EVENT(LOG_LVL_INFO, NULL, "one", log_str("v", big));
    LOG_EVENT(LOG_LVL_INFO, NULL, "many", log_str("a", big), log_str("b", big), log_str("c", big),
              log_str("d", big), log_str("e", big), log_str("f", big), log_str("g", big),
              log_str("h", big), log_str("i", big), log_str("j", big), log_str("k", big));
    char *text = written();
    char *second = strchr(text, '\n');
    *second++ = '\0';
    json_t *o = json_loads(text, 0, NULL);
    assert_int_equal(json_string_length(json_object_get(o, "v")), LOG_VALUE_MAX + 3);
    json_decref(o);
    o = json_loads(second, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "event")), "many");
    assert_string_equal(json_string_value(json_object_get(o, "values")), "too long");
    json_decref(o);
    mem_free(text);
    mem_free(big);
}

static void test_reopen(void **state)
{
    (void)state;
    char moved[160];
    struct stat st;
    snprintf(moved, sizeof moved, "%s.1", path);
    open_log(LOG_TEXT, LOG_LVL_INFO);
    log_msg(LOG_LVL_INFO, NULL, "before", "x");
    while (stat(path, &st) != 0 || st.st_size == 0)
        usleep(1000); /* the writer has it when it is in the file */
    assert_int_equal(rename(path, moved), 0);
    log_reopen();
    while (stat(path, &st) != 0)
        usleep(1000);
    log_msg(LOG_LVL_INFO, NULL, "after", "x");
    char *text = written();
    assert_non_null(strstr(text, " after "));
    assert_null(strstr(text, " before "));
    mem_free(text);
    assert_int_equal(remove(moved), 0);
}

static void test_reopen_fails(void **state)
{
    (void)state;
    char moved[160];
    snprintf(moved, sizeof moved, "%s.1", dir);
    open_log(LOG_TEXT, LOG_LVL_INFO);
    assert_int_equal(rename(dir, moved), 0); /* the folder of log.path is gone */
    log_reopen();
    log_msg(LOG_LVL_INFO, NULL, "after", "x");
    log_close();
    assert_int_equal(rename(moved, dir), 0);
    char *text = written();
    assert_non_null(strstr(text, " after "));
    assert_non_null(strstr(text, " error log_reopen_failed "));
    mem_free(text);
}

static void test_cannot_open(void **state)
{
    (void)state;
    struct gw_errmsg msg = {""};
    const struct log_conf conf = {.output = LOG_TO_FILE, .path = "/nowhere/log"};
    open_log(LOG_TEXT, LOG_LVL_INFO);
    assert_int_equal(log_open(&conf, &msg), GW_IO);
    assert_non_null(strstr(msg.text, "/nowhere/log"));
    log_msg(LOG_LVL_INFO, NULL, "still", "x"); /* what was in force stays */
    char *text = written();
    assert_non_null(strstr(text, " still "));
    mem_free(text);
}

/* A reader that stalls: loggers go on at once, what does not fit is counted. */
static void test_stalled_reader(void **state)
{
    (void)state;
    static char chunk[1000];
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    assert_true(fd >= 0);
    memset(chunk, 'x', sizeof chunk - 1);
    open_log(LOG_TEXT, LOG_LVL_INFO);
    enum { LINES = 4000 };
    for (int i = 0; i < LINES; i++)
        LOG_EVENT(LOG_LVL_INFO, NULL, "fill", log_str("v", chunk));
    /* Read on until the count of the lost comes by, and count what came. */
    struct gw_buf got;
    gw_buf_init(&got, 16u << 20);
    unsigned long long lost = 0;
    const char *told = NULL;
    while (told == NULL) {
        uint8_t *to = gw_buf_reserve(&got, 65536);
        assert_non_null(to);
        ssize_t n = read(fd, to, 65536);
        if (n > 0)
            gw_buf_commit(&got, (size_t)n);
        else
            usleep(1000);
        told = strstr(gw_buf_cstr(&got), "log_dropped msg=\"");
        if (told != NULL && strchr(told, '\n') == NULL)
            told = NULL;
    }
    lost = strtoull(told + strlen("log_dropped msg=\""), NULL, 10);
    unsigned came = 0;
    for (const char *p = gw_buf_cstr(&got); (p = strstr(p, " fill v=")) != NULL; p++)
        came++;
    assert_true(lost > 0);
    assert_int_equal(came + lost, LINES);
    gw_buf_free(&got);
    log_close();
    close(fd);
}

static void *logger(void *arg)
{
    for (unsigned i = 0; i < 200; i++)
        LOG_EVENT(LOG_LVL_INFO, NULL, "t", log_u64("thread", *(const unsigned *)arg),
                  log_u64("i", i));
    return NULL;
}

/* Many threads, while the log is opened anew and reopened: each line is whole, and each thread's
 * own order holds. */
static void test_contention(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    pthread_t t[THREADS];
    unsigned id[THREADS];
    open_log(LOG_JSON, LOG_LVL_INFO);
    for (unsigned i = 0; i < THREADS; i++) {
        id[i] = i;
        assert_int_equal(pthread_create(&t[i], NULL, logger, &id[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        log_reopen();
    open_log(LOG_JSON, LOG_LVL_INFO);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    char *text = written();
    json_int_t next[THREADS] = {0};
    unsigned lines = 0;
    for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
        *end = '\0';
        json_t *o = json_loads(p, 0, NULL);
        if (o == NULL)
            fail_msg("no JSON: %s", p);
        size_t who = (size_t)json_integer_value(json_object_get(o, "thread"));
        json_int_t i = json_integer_value(json_object_get(o, "i"));
        assert_true(who < THREADS && i >= next[who]);
        next[who] = i + 1;
        lines++;
        json_decref(o);
    }
    /* Lines that fell between the two logs went to stderr. */
    assert_true(lines > 0 && lines <= THREADS * 200);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_escaping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stalled_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contention, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
