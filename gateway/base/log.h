/*
 * One line an event: time, level, event name, the context's pairs (session, user, ...), the event's
 * own. LOG_EVENT(LOG_LVL_INFO, ctx, "close", log_str("path", p), log_u64("bytes", n)); Text:
 * `2026-11-22T13:37:58.123Z info close session=4f2a user=alice path="/in/a b" bytes=123` JSON: one
 * object a line with the same keys. Strings from a peer are escaped here, cut at LOG_VALUE_MAX
 * bytes; secrets are never passed to it. Any thread may log. After log_open() a writer thread does
 * the I/O, so that a stalled reader of the log never stalls a loop: what does not fit its bounded
 * queue is dropped and counted in the log.
 */
#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/err.h"

#define LOG_VALUE_MAX 1024u

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_output { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG };

/* Pairs that every line of a session carries. Chains; borrowed by the log calls. */
struct log_ctx {
    const struct log_ctx *parent;
    const char *key, *value;
};

struct log_kv {
    const char *key;
    enum { LOG_KV_STR, LOG_KV_U64, LOG_KV_I64, LOG_KV_BOOL } kind;
    const char *str; /* not NUL-terminated: len bytes; NULL = the pair is left out */
    size_t len;
    uint64_t u64;
    int64_t i64;
};

struct log_conf {
    enum log_level level;
    enum log_format format;
    enum log_output output;
    const char
        *path; /* LOG_TO_FILE: opened for append, reopened by log_reopen() (SIGHUP, logrotate) */
};

extern _Atomic(enum log_level) log_level_now;

/* Errors: GW_IO with *msg when the file cannot be opened; what was in force stays. */
enum gw_err log_check_file(const char *path, struct gw_errmsg *msg); /* could it? Makes nothing */
enum gw_err log_open(const struct log_conf *conf, struct gw_errmsg *msg);
void log_reopen(void);
/* Writes what is queued and stops the thread; stderr serves again. Waits 3 s for a stuck reader. */
void log_close(void);

struct log_kv log_str(const char *key, const char *value);
struct log_kv log_bytes(const char *key, const void *p, size_t n);
struct log_kv log_u64(const char *key, uint64_t v);
struct log_kv log_i64(const char *key, int64_t v);
struct log_kv log_bool(const char *key, bool v);

void log_write(enum log_level lvl, const struct log_ctx *ctx, const char *event,
               const struct log_kv *kv, size_t nkv);
/* A line with a single pair `msg`, formatted. */
void log_msg(enum log_level lvl, const struct log_ctx *ctx, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define LOG_EVENT(lvl, ctx, event, ...)                                                            \
    do {                                                                                           \
        if ((lvl) <= log_level_now) {                                                              \
            const struct log_kv log_kv_[] = {__VA_ARGS__};                                         \
            log_write((lvl), (ctx), (event), log_kv_, sizeof log_kv_ / sizeof log_kv_[0]);         \
        }                                                                                          \
    } while (0)
#define LOG_DBG(ctx, event, ...)                                                                   \
    do {                                                                                           \
        if (LOG_LVL_DEBUG <= log_level_now)                                                        \
            log_msg(LOG_LVL_DEBUG, (ctx), (event), __VA_ARGS__);                                   \
    } while (0)

#endif
