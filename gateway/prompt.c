#include "gateway/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"

static volatile sig_atomic_t caught; /* a signal that came while the echo was off */

static void on_signal(int sig)
{
    caught = sig;
}

bool prompt_is_terminal(void)
{
    return isatty(STDIN_FILENO) == 1;
}

/* Byte by byte: what follows the line stays for whoever reads on. */
static enum gw_err read_line(int fd, struct gw_buf *line, struct gw_errmsg *msg)
{
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR && caught == 0)
            continue;
        if (n < 0)
            return gw_err_set(msg, GW_IO, "cannot be read: %s", strerrordesc_np(errno));
        if (n == 0 && line->len == 0)
            return gw_err_set(msg, GW_EOF, "nothing to read");
        if (n == 0 || c == '\n')
            return GW_OK;
        if (c == '\0')
            return gw_err_set(msg, GW_BAD_ARG, "holds a NUL byte");
        gw_buf_put(line, &c, 1);
        if (line->failed != GW_OK)
            return gw_err_set(msg, line->failed, "longer than %u bytes", PROMPT_MAX);
    }
}

static enum gw_err take_line(int fd, char **out, struct gw_errmsg *msg)
{
    struct gw_buf line;
    gw_buf_init(&line, PROMPT_MAX);
    /* All of it at once: a buffer that grows leaves copies behind that nobody wipes. */
    (void)gw_buf_reserve(&line, PROMPT_MAX);
    enum gw_err err = read_line(fd, &line, msg);
    if (err == GW_OK && line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (err == GW_OK)
        *out = mem_strndup(line.len == 0 ? "" : (const char *)line.data, line.len);
    gw_buf_free_secret(&line);
    return err;
}

enum gw_err prompt_line(char **out, struct gw_errmsg *msg)
{
    return take_line(STDIN_FILENO, out, msg);
}

static void put_text(int fd, const char *text)
{
    for (; *text != '\0'; text++) {
        bool shown = (unsigned char)*text >= ' ' && *text != 0x7f;
        dprintf(fd, "%c", shown || *text == '\n' || *text == '\t' ? *text : '?');
    }
}

void prompt_say(const char *text)
{
    put_text(STDERR_FILENO, text);
    dprintf(STDERR_FILENO, "\n");
}

static enum gw_err ask_on_terminal(const char *text, bool echo, char **out, struct gw_errmsg *msg)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
    enum { NENDS = sizeof ends / sizeof ends[0] };
    struct sigaction before[NENDS];
    struct sigaction note = {.sa_handler = on_signal}; /* no SA_RESTART: the read ends */
    struct termios shown;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0 || tcgetattr(tty, &shown) != 0) {
        if (tty >= 0)
            close(tty);
        return gw_err_set(msg, GW_UNSUPPORTED, "there is no terminal to ask on");
    }
    caught = 0;
    for (size_t i = 0; i < NENDS; i++)
        sigaction(ends[i], &note, &before[i]);
    struct termios hidden = shown;
    if (!echo)
        hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(tty, TCSAFLUSH, &hidden);
    put_text(tty, text);
    enum gw_err err = take_line(tty, out, msg);
    if (!echo)
        dprintf(tty, "\n");
    (void)tcsetattr(tty, TCSAFLUSH, &shown);
    for (size_t i = 0; i < NENDS; i++)
        sigaction(ends[i], &before[i], NULL);
    close(tty);
    if (caught != 0)
        raise(caught); /* the echo is back: now it may end the process */
    return err;
}

enum gw_err prompt_secret(const char *text, char **out, struct gw_errmsg *msg)
{
    return ask_on_terminal(text, false, out, msg);
}

enum gw_err prompt_ask(const char *text, bool echo, char **out, struct gw_errmsg *msg)
{
    if (prompt_is_terminal())
        return ask_on_terminal(text, echo, out, msg);
    prompt_say(text);
    return prompt_line(out, msg);
}
