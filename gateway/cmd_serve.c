#include "gateway/cmd.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/server.h"
#include "gateway/watchdog.h"

/* How long after timeouts.drain_s what sessions left behind (an upload being aborted) may take:
 * sessions end when it is over, and a store that answers needs no more. */
#define CLEANUP_MS 2000u
/* And when a bug keeps the process that was told to go. */
#define AFTER_DRAIN_S 15u
/* After a second signal: for peers to hear of it, and for the log. */
#define AT_ONCE_MS 1000u

/* The gateway while it serves: what a signal acts upon. */
struct serving {
    struct server *server;
    const char *config;
    uint32_t drain_s;
    uint64_t end_ms; /* of uv_hrtime(): when nobody waits for a store any more */
    uv_signal_t term, intr, hup;
    bool ending;
    int forced; /* the second signal */
};

/* The buffers of a transfer come and go by the hundred KiB. glibc's own limits grow with them, up
 * to 32 MiB, and what one busy hour needed would stay in the heap for ever. */
#define HEAP_BLOCK_BYTES (512 * 1024)
/* What may lie unused at the heap's end. An upload's parts go and come back there: each page that
 * was given back meanwhile is a fault and a cleared page. */
#define HEAP_SPARE_BYTES (8 * 1024 * 1024)

static const struct watchdog_end too_long = {
    .reason = "the end took longer than timeouts.drain_s and 15 s", .exit_code = EX_SOFTWARE};
static const struct watchdog_end cleanup_left = {
    .left = "a store did not answer in time: what ended uploads left there is "
            "swept when postern starts again",
    .reason = "drained",
    .exit_code = EX_OK};

static const struct watchdog_end *second_signal(int sig)
{
    static const struct watchdog_end term = {.reason = "second signal", .exit_code = 128 + SIGTERM};
    static const struct watchdog_end intr = {.reason = "second signal", .exit_code = 128 + SIGINT};
    return sig == SIGTERM ? &term : &intr;
}

static void on_end(uv_signal_t *handle, int sig)
{
    struct serving *sv = handle->data;
    loop_turn_uncounted(server_loop(sv->server));
    if (sv->ending) {
        sv->forced = sig;
        watchdog_arm(AT_ONCE_MS, second_signal(sig));
        server_end(sv->server);
        return;
    }
    sv->ending = true;
    sv->end_ms = uv_hrtime() / 1000000 + sv->drain_s * UINT64_C(1000) + CLEANUP_MS;
    watchdog_arm((sv->drain_s + AFTER_DRAIN_S) * UINT64_C(1000), &too_long);
    server_drain(sv->server);
    uv_unref((uv_handle_t *)handle);
}

static void log_problems(const char *event, const char *line)
{
    while (*line != '\0') {
        size_t n = strcspn(line, "\n");
        LOG_EVENT(LOG_LVL_ERROR, NULL, event, log_bytes("problem", line, n));
        line += n + (line[n] == '\n');
    }
}

/* NULL = it has mistakes, which are in the log now: who reads that does not see our stderr. */
static struct settings *read_again(const char *config)
{
    struct settings *s = NULL;
    struct gw_buf problems;
    gw_buf_init(&problems, CMD_PROBLEMS_MAX);
    if (cmd_read_settings(config, &s, &problems) != GW_OK) {
        settings_unref(&s);
        log_problems("reload_problem", gw_buf_cstr(&problems));
    }
    gw_buf_free(&problems);
    return s;
}

static void on_hup(uv_signal_t *handle, int sig)
{
    struct serving *sv = handle->data;
    struct gw_errmsg msg = {""};
    (void)sig;
    loop_turn_uncounted(server_loop(sv->server));
    log_reopen();
    struct settings *s = read_again(sv->config);
    if (s == NULL) {
        LOG_EVENT(LOG_LVL_ERROR, NULL, "reload_failed",
                  log_str("msg", "the old configuration stays; run postern check"));
        return;
    }
    if (server_reload(sv->server, s, &msg) == GW_OK)
        LOG_EVENT(LOG_LVL_INFO, NULL, "reload", log_str("config", sv->config));
    else
        LOG_EVENT(LOG_LVL_ERROR, NULL, "reload_failed", log_str("msg", msg.text));
    settings_unref(&s);
}

static void watch(struct serving *sv, uv_signal_t *handle, uv_signal_cb fn, int sig)
{
    uv_signal_init(loop_uv(server_loop(sv->server)), handle);
    handle->data = sv;
    uv_signal_start(handle, fn, sig);
}

static void on_impatient(int sig)
{
    watchdog_ask(second_signal(sig)); // NOLINT(bugprone-signal-handler): it is made for it
}

/* Every loop is run to its end, one after the other; what is cleaned up at a store that does not
 * answer waits for no timeout. */
static void clean_up(struct server **server, uint64_t end_ms)
{
    uint64_t now_ms = uv_hrtime() / 1000000;
    watchdog_arm(end_ms > now_ms ? end_ms - now_ms : 0, &cleanup_left);
    signal(SIGTERM, on_impatient);
    signal(SIGINT, on_impatient);
    server_free(server);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    watchdog_arm(AFTER_DRAIN_S * UINT64_C(1000), &too_long);
}

static void serve(struct settings *s, struct server *server, const char *config)
{
    struct serving sv = {.server = server, .config = config, .drain_s = s->timeouts.drain_s};
    watch(&sv, &sv.term, on_end, SIGTERM);
    watch(&sv, &sv.intr, on_end, SIGINT);
    watch(&sv, &sv.hup, on_hup, SIGHUP);
    server_run(server);
    if (sv.forced != 0)
        watchdog_now(second_signal(sv.forced));
    uv_close((uv_handle_t *)&sv.term, NULL);
    uv_close((uv_handle_t *)&sv.intr, NULL);
    uv_close((uv_handle_t *)&sv.hup, NULL);
    signal(SIGHUP, SIG_IGN); /* its default is death, and there is nothing to reload any more */
    clean_up(&server, sv.end_ms);
    LOG_EVENT(LOG_LVL_INFO, NULL, "stop", log_str("reason", "drained"));
}

/* The start ends at the first problem that it meets; who mends them wants to know of all. */
static void start_failed(struct settings *s, const struct gw_errmsg *first)
{
    struct gw_buf problems;
    gw_buf_init(&problems, CMD_PROBLEMS_MAX);
    cmd_check_by_making(s, &problems);
    log_problems("start_problem", gw_buf_cstr(&problems));
    gw_buf_free(&problems);
    LOG_EVENT(LOG_LVL_ERROR, NULL, "start_failed", log_str("msg", first->text));
}

int cmd_serve(int argc, char **argv)
{
    const char *config = NULL;
    int code = cmd_config_option(argc, argv, &config);
    if (code != EX_OK)
        return code;
    struct settings *s = NULL;
    code = cmd_load_settings(config, &s);
    if (code != EX_OK)
        return code;
    cmd_init_signals();
    mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
    struct gw_errmsg msg = {""};
    struct log_conf log = {.level = (enum log_level)s->log.level,
                           .format = (enum log_format)s->log.format,
                           .output = (enum log_output)s->log.output,
                           .path = s->log.path};
    struct server *server = NULL;
    enum gw_err err = log_open(&log, &msg);
    if (err == GW_OK)
        err = server_new(s, &server, &msg);
    if (err == GW_OK) {
        serve(s, server, config);
    } else {
        start_failed(s, &msg);
        code = err == GW_CONFIG ? EX_CONFIG : EX_UNAVAILABLE;
    }
    log_close();
    settings_unref(&s);
    return code;
}
