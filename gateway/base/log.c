#include "gateway/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"
#include "gateway/base/utf8.h"

#define LINE_MAX_BYTES  (64u * 1024u)
#define QUEUE_MAX_BYTES (1024u * 1024u)
#define CLOSE_WAIT_S    3

_Atomic(enum log_level) log_level_now = LOG_LVL_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int level_syslog[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG};

/* Guarded by `lock`. With `running`, lines go to `queue` and the writer thread takes them all at
 * once. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    pthread_t writer;
    bool running, stopping, reopen;
    struct log_conf conf;
    char *path;
    int fd;
    struct gw_buf queue;
    uint64_t dropped;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER,
       .some = PTHREAD_COND_INITIALIZER,
       .conf = {.level = LOG_LVL_INFO},
       .fd = STDERR_FILENO,
       .queue = {.max = QUEUE_MAX_BYTES}};

/* False: some of it is lost (a full disk, a reader that went away). */
static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EAGAIN) { /* somebody made our stderr non-blocking */
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};
            (void)poll(&pfd, 1, -1);
            continue;
        }
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static uint64_t count_lines(const struct gw_buf *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->data[i] == '\n';
    return n;
}

/* A syslog line starts with one byte that holds its level: the queue mixes levels. */
/* Returns how many lines are lost. */
static uint64_t emit(const struct log_conf *conf, int fd, const struct gw_buf *b)
{
    if (conf->output != LOG_TO_SYSLOG)
        return write_all(fd, b->data, b->len) ? 0 : count_lines(b);
    for (size_t at = 0; at < b->len;) {
        const uint8_t *nl = memchr(b->data + at, '\n', b->len - at);
        size_t end = nl == NULL ? b->len : (size_t)(nl - b->data);
        syslog(level_syslog[b->data[at] & 3], "%.*s", (int)(end - at - 1), b->data + at + 1);
        at = end + 1;
    }
    return 0;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* Opens log.path again, without the lock: the disk may be slow. Called and returns with the lock;
 * only the writer and, after its end, log_close() change fd and path. */
static void reopen(void)
{
    g.reopen = false;
    pthread_mutex_unlock(&g.lock);
    int fd = open_file(g.path);
    int err = errno;
    if (fd < 0) /* the old file serves on */
        log_msg(LOG_LVL_ERROR, NULL, "log_reopen_failed", "%s: %s", g.path, strerrordesc_np(err));
    pthread_mutex_lock(&g.lock);
    if (fd >= 0) {
        close(g.fd);
        g.fd = fd;
    }
}

static void *writer_main(void *unused)
{
    (void)unused;
    struct gw_buf mine;
    gw_buf_init(&mine, QUEUE_MAX_BYTES);
    pthread_mutex_lock(&g.lock);
    for (;;) {
        while (g.queue.len == 0 && !g.stopping && !g.reopen)
            pthread_cond_wait(&g.some, &g.lock);
        if (g.reopen)
            reopen();
        if (g.queue.len == 0 && g.stopping)
            break;
        struct gw_buf full = g.queue;
        g.queue = mine;
        uint64_t dropped = g.dropped;
        g.dropped = 0;
        struct log_conf conf = g.conf;
        int fd = g.fd;
        pthread_mutex_unlock(&g.lock);
        uint64_t lost = emit(&conf, fd, &full);
        mine = full;
        gw_buf_reset(&mine);
        if (lost > 0)
            lost +=
                dropped; /* told when something gets through again, or a full disk has us spin */
        else if (dropped > 0)
            log_msg(LOG_LVL_WARN, NULL, "log_dropped",
                    "%llu lines did not fit the queue or could not be written",
                    (unsigned long long)dropped);
        pthread_mutex_lock(&g.lock);
        g.dropped += lost;
    }
    g.running = false; /* what comes from now on is written by who logs it */
    pthread_mutex_unlock(&g.lock);
    gw_buf_free(&mine);
    return NULL;
}

enum gw_err log_check_file(const char *path, struct gw_errmsg *msg)
{
    const char *slash = strrchr(path, '/');
    int rc = access(path, W_OK);
    if (rc != 0 && errno == ENOENT) {
        char *folder = slash == NULL   ? mem_strdup(".")
                       : slash == path ? mem_strdup("/")
                                       : mem_strndup(path, (size_t)(slash - path));
        rc = access(folder, W_OK | X_OK);
        mem_free(folder);
    }
    if (rc == 0)
        return GW_OK;
    return gw_err_set(msg, GW_CONFIG, "log.path: cannot open %s for append: %s", path,
                      strerrordesc_np(errno));
}

enum gw_err log_open(const struct log_conf *conf, struct gw_errmsg *msg)
{
    int fd = STDERR_FILENO;
    if (conf->output == LOG_TO_FILE) {
        fd = open_file(conf->path);
        if (fd < 0)
            return gw_err_set(msg, GW_IO, "log.path: cannot open %s for append: %s", conf->path,
                              strerrordesc_np(errno));
    }
    log_close();
    pthread_mutex_lock(&g.lock);
    if (g.running) { /* the old one hangs in a write */
        pthread_mutex_unlock(&g.lock);
        if (fd != STDERR_FILENO)
            close(fd);
        return gw_err_set(msg, GW_IO, "log: the reader of the old log is stuck");
    }
    g.conf = *conf;
    g.conf.path = NULL;
    g.path = conf->output == LOG_TO_FILE ? mem_strdup(conf->path) : NULL;
    g.fd = fd;
    log_level_now = conf->level;
    if (conf->output == LOG_TO_SYSLOG)
        openlog("postern", LOG_PID, LOG_DAEMON);
    g.stopping = false;
    g.running = pthread_create(&g.writer, NULL, writer_main, NULL) == 0;
    pthread_mutex_unlock(&g.lock);
    return GW_OK;
}

void log_reopen(void)
{
    pthread_mutex_lock(&g.lock);
    g.reopen = g.running && g.path != NULL;
    pthread_cond_signal(&g.some);
    pthread_mutex_unlock(&g.lock);
}

void log_close(void)
{
    pthread_mutex_lock(&g.lock);
    bool join = g.running;
    g.stopping = true;
    pthread_cond_signal(&g.some);
    pthread_mutex_unlock(&g.lock);
    if (join) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += CLOSE_WAIT_S;
        /* A reader that does not read must not keep the process from ending. */
        if (pthread_timedjoin_np(g.writer, NULL, &until) != 0)
            return;
    }
    pthread_mutex_lock(&g.lock);
    if (g.path != NULL)
        close(g.fd);
    mem_free(g.path);
    g.path = NULL;
    g.fd = STDERR_FILENO;
    g.conf.output = LOG_TO_STDERR;
    gw_buf_free(&g.queue);
    pthread_mutex_unlock(&g.lock);
}

struct log_kv log_str(const char *key, const char *value)
{
    return log_bytes(key, value, value == NULL ? 0 : strlen(value));
}

struct log_kv log_bytes(const char *key, const void *p, size_t n)
{
    return (struct log_kv){.key = key, .kind = LOG_KV_STR, .str = p, .len = n};
}

struct log_kv log_u64(const char *key, uint64_t v)
{
    return (struct log_kv){.key = key, .kind = LOG_KV_U64, .u64 = v};
}

struct log_kv log_i64(const char *key, int64_t v)
{
    return (struct log_kv){.key = key, .kind = LOG_KV_I64, .i64 = v};
}

struct log_kv log_bool(const char *key, bool v)
{
    return (struct log_kv){.key = key, .kind = LOG_KV_BOOL, .u64 = v};
}

/* What a person could be fooled by is written as its number: \xHH for a byte that is not UTF-8,
 * \u{HHHH} for a character. JSON has \uHHHH for both. */
static void put_escaped(struct gw_buf *b, enum log_format f, uint32_t c, bool is_byte)
{
    if (c == '"' || c == '\\')
        gw_buf_printf(b, "\\%c", (int)c);
    else if (c == '\n')
        gw_buf_put_text(b, "\\n");
    else if (f == LOG_JSON && c > 0xffff)
        gw_buf_printf(b, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    else if (f == LOG_JSON)
        gw_buf_printf(b, "\\u%04x", c);
    else if (is_byte || c < 0x80)
        gw_buf_printf(b, "\\x%02x", c);
    else
        gw_buf_printf(b, "\\u{%x}", c);
}

static bool is_plain(uint32_t c)
{
    return c != '"' && c != '\\' && utf8_printable(c);
}

static void put_quoted(struct gw_buf *b, enum log_format f, const char *s, size_t n)
{
    bool cut = n > LOG_VALUE_MAX;
    if (cut)
        n = LOG_VALUE_MAX;
    gw_buf_put_u8(b, '"');
    for (size_t i = 0; i < n;) {
        const uint8_t *p = (const uint8_t *)s + i;
        uint32_t c = *p;
        size_t len = utf8_decode(p, n - i, &c);
        if (len > 0 && is_plain(c))
            gw_buf_put(b, p, len);
        else
            put_escaped(b, f, c, len == 0);
        i += len == 0 ? 1 : len;
    }
    if (cut)
        gw_buf_put_text(b, "...");
    gw_buf_put_u8(b, '"');
}

static bool is_bare(const char *s, size_t n)
{
    if (n == 0 || n > LOG_VALUE_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s[i];
        if (c >= 0x80 || c == ' ' || c == '=' || !is_plain(c))
            return false;
    }
    return true;
}

static void put_key(struct gw_buf *b, enum log_format f, const char *key)
{
    if (f == LOG_JSON)
        gw_buf_printf(b, ",\"%s\":", key);
    else
        gw_buf_printf(b, " %s=", key);
}

static void put_kv(struct gw_buf *b, enum log_format f, const struct log_kv *kv)
{
    if (kv->key == NULL || (kv->kind == LOG_KV_STR && kv->str == NULL))
        return;
    put_key(b, f, kv->key);
    switch (kv->kind) {
    case LOG_KV_STR:
        if (f == LOG_TEXT && is_bare(kv->str, kv->len))
            gw_buf_put(b, kv->str, kv->len);
        else
            put_quoted(b, f, kv->str, kv->len);
        break;
    case LOG_KV_U64:
        gw_buf_printf(b, "%llu", (unsigned long long)kv->u64);
        break;
    case LOG_KV_I64:
        gw_buf_printf(b, "%lld", (long long)kv->i64);
        break;
    case LOG_KV_BOOL:
        gw_buf_put_text(b, kv->u64 != 0 ? "true" : "false");
        break;
    }
}

static void put_ctx(struct gw_buf *b, enum log_format f, const struct log_ctx *ctx)
{
    if (ctx == NULL)
        return;
    put_ctx(b, f, ctx->parent);
    struct log_kv kv = log_str(ctx->key, ctx->value);
    put_kv(b, f, &kv);
}

static void put_head(struct gw_buf *b, const struct log_conf *conf, enum log_level lvl,
                     const char *event)
{
    struct timespec ts;
    struct tm tm;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    if (conf->output == LOG_TO_SYSLOG)
        gw_buf_put_u8(b, (uint8_t)lvl);
    if (conf->format == LOG_JSON)
        gw_buf_printf(b, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"", when,
                      ts.tv_nsec / 1000000, level_names[lvl], event);
    else if (conf->output == LOG_TO_SYSLOG)
        gw_buf_printf(b, "%s", event);
    else
        gw_buf_printf(b, "%s.%03ldZ %s %s", when, ts.tv_nsec / 1000000, level_names[lvl], event);
}

struct line {
    enum log_level lvl;
    const struct log_ctx *ctx;
    const char *event;
    const struct log_kv *kv;
    size_t nkv;
};

static void put_line(struct gw_buf *b, const struct log_conf *conf, const struct line *l)
{
    put_head(b, conf, l->lvl, l->event);
    put_ctx(b, conf->format, l->ctx);
    for (size_t i = 0; i < l->nkv; i++)
        put_kv(b, conf->format, &l->kv[i]);
    if (conf->format == LOG_JSON)
        gw_buf_put_u8(b, '}');
    gw_buf_put_u8(b, '\n');
}

void log_write(enum log_level lvl, const struct log_ctx *ctx, const char *event,
               const struct log_kv *kv, size_t nkv)
{
    if (lvl > log_level_now)
        return;
    pthread_mutex_lock(&g.lock);
    struct log_conf conf = g.conf;
    pthread_mutex_unlock(&g.lock);
    struct gw_buf line;
    gw_buf_init(&line, LINE_MAX_BYTES);
    put_line(&line, &conf, &(struct line){lvl, ctx, event, kv, nkv});
    if (line.failed != GW_OK) { /* an event must not vanish because its values are long */
        gw_buf_reset(&line);
        const struct log_kv why = log_str("values", "too long");
        put_line(&line, &conf, &(struct line){lvl, NULL, event, &why, 1});
    }
    pthread_mutex_lock(&g.lock);
    bool wake = g.queue.len == 0; /* else it is awake, or about to be */
    if (line.failed != GW_OK || (g.running && line.len > g.queue.max - g.queue.len)) {
        g.dropped++;
    } else if (g.running) {
        gw_buf_put(&g.queue, line.data, line.len);
        if (g.queue.failed != GW_OK) {
            g.queue.failed = GW_OK;
            g.dropped++;
        }
    } else {
        (void)emit(&g.conf, g.fd, &line);
    }
    pthread_mutex_unlock(&g.lock);
    if (wake) /* without the lock, or the writer wakes only to wait for it */
        pthread_cond_signal(&g.some);
    gw_buf_free(&line);
}

void log_msg(enum log_level lvl, const struct log_ctx *ctx, const char *event, const char *fmt, ...)
{
    char text[LOG_VALUE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct log_kv kv = log_str("msg", text);
    log_write(lvl, ctx, event, &kv, 1);
}
