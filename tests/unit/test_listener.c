#include "gateway/ssh/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/sync.h"

static const struct settings_tcp tcp = {
    .no_delay = true, .keepalive_s = 60, .keepalive_interval_s = 15, .keepalive_count = 4};

struct seen {
    unsigned n;
    int family, no_delay;
    bool closed; /* the client's end was closed without a callback */
    int client;
};

static void on_accept(void *arg, int fd, const struct sockaddr_storage *peer)
{
    struct seen *s = arg;
    socklen_t len = sizeof s->no_delay;
    s->n++;
    s->family = peer->ss_family;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &s->no_delay, &len), 0);
    close(fd);
}

/* The server has closed: accepted and closed by us, or refused. */
static bool ended(void *arg)
{
    struct seen *s = arg;
    char byte;
    return recv(s->client, &byte, 1, MSG_DONTWAIT) == 0;
}

static int dial(const char *host, uint16_t port)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&ss;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ss;
    bool is_six = strchr(host, ':') != NULL;
    ss.ss_family = is_six ? AF_INET6 : AF_INET;
    *(is_six ? &six->sin6_port : &four->sin_port) = htons(port);
    assert_int_equal(
        inet_pton(ss.ss_family, host, is_six ? (void *)&six->sin6_addr : (void *)&four->sin_addr),
        1);
    int fd = socket(ss.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&ss, is_six ? sizeof *six : sizeof *four) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static const struct {
    const char *address;
    int ipv6;
    const char *allow, *deny, *from;
    bool connects, admitted;
} rows[] = {
    {"127.0.0.1", SETTINGS_IPV6_DUAL, NULL, NULL, "127.0.0.1", true, true},
    {"::", SETTINGS_IPV6_DUAL, NULL, NULL, "127.0.0.1", true, true},
    {"::", SETTINGS_IPV6_DUAL, NULL, NULL, "::1", true, true},
    {"::", SETTINGS_IPV6_OFF, NULL, NULL, "127.0.0.1", true, true},
    {"::", SETTINGS_IPV6_OFF, NULL, NULL, "::1", false, false},
    {"::", SETTINGS_IPV6_ONLY, NULL, NULL, "::1", true, true},
    {"::", SETTINGS_IPV6_ONLY, NULL, NULL, "127.0.0.1", false, false},
    {"::", SETTINGS_IPV6_DUAL, "127.0.0.0/8", NULL, "127.0.0.1", true, true},
    {"::", SETTINGS_IPV6_DUAL, "127.0.0.0/8", NULL, "::1", true, false},
    {"::", SETTINGS_IPV6_DUAL, "localhost", NULL, "127.0.0.1", true, true},
    {"::", SETTINGS_IPV6_DUAL, "10.0.0.0/8", NULL, "127.0.0.1", true, false},
    {"::", SETTINGS_IPV6_DUAL, NULL, "127.0.0.1", "127.0.0.1", true, false},
    {"::", SETTINGS_IPV6_DUAL, NULL, "localhost", "127.0.0.1", true, false},
    {"::", SETTINGS_IPV6_DUAL, "127.0.0.1", "127.0.0.0/8", "127.0.0.1", true, false},
    {"::", SETTINGS_IPV6_DUAL, NULL, "::1/128", "::1", true, false},
};

static struct opt_strs list_of(char *room, char **v, const char *text)
{
    if (text == NULL)
        return (struct opt_strs){NULL, 0};
    memcpy(room, text, strlen(text) + 1);
    v[0] = room;
    return (struct opt_strs){v, 1};
}

static void admits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct loop *l = NULL;
        struct listener *ls = NULL;
        struct gw_errmsg msg = {""};
        struct seen seen = {0};
        char address[32], a[32], d[32], *av[1], *dv[1];
        memcpy(address, rows[i].address, strlen(rows[i].address) + 1);
        struct settings_listen conf = {.address = address,
                                       .ipv6 = rows[i].ipv6,
                                       .exclusive = true,
                                       .backlog = 16,
                                       .allow = list_of(a, av, rows[i].allow),
                                       .deny = list_of(d, dv, rows[i].deny)};
        assert_int_equal(loop_new(&l), GW_OK);
        if (listener_new(l, &conf, &tcp, on_accept, &seen, &ls, &msg) != GW_OK)
            fail_msg("row %zu: %s", i, msg.text);
        assert_true(listener_port(ls) != 0);
        seen.client = dial(rows[i].from, listener_port(ls));
        if ((seen.client >= 0) != rows[i].connects)
            fail_msg("row %zu", i);
        if (seen.client >= 0) {
            assert_true(sync_until(l, ended, &seen));
            if (seen.n != rows[i].admitted)
                fail_msg("row %zu", i);
            close(seen.client);
        }
        if (seen.n > 0) {
            assert_int_equal(seen.family, strchr(rows[i].from, ':') != NULL ? AF_INET6 : AF_INET);
            assert_true(seen.no_delay);
        }
        listener_free(&ls);
        assert_null(ls);
        loop_free(&l);
    }
}

static void faults_have_words(void **state)
{
    (void)state;
    struct loop *l = NULL;
    struct listener *first = NULL, *second = NULL;
    struct gw_errmsg msg = {""};
    struct seen seen = {0};
    char address[] = "127.0.0.1", elsewhere[] = "192.0.2.1", bad[] = "10.0.0.0/33", *v[] = {bad};
    struct settings_listen conf = {.address = address, .exclusive = true, .backlog = 16};
    assert_int_equal(loop_new(&l), GW_OK);
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &first, &msg), GW_OK);
    conf.port = listener_port(first);
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &second, &msg), GW_IO);
    assert_non_null(strstr(msg.text, "127.0.0.1 port"));
    conf.port = 0;
    conf.address = elsewhere;
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &second, &msg), GW_IO);
    conf.address = address;
    conf.allow = (struct opt_strs){v, 1};
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &second, &msg), GW_CONFIG);
    assert_non_null(strstr(msg.text, "10.0.0.0/33"));
    assert_null(second);
    listener_free(&first);
    loop_free(&l);
}

static void a_port_can_be_shared(void **state)
{
    (void)state;
    struct loop *l = NULL;
    struct listener *first = NULL, *second = NULL;
    struct gw_errmsg msg = {""};
    struct seen seen = {0};
    char address[] = "127.0.0.1";
    struct settings_listen conf = {.address = address, .exclusive = false, .backlog = 16};
    assert_int_equal(loop_new(&l), GW_OK);
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &first, &msg), GW_OK);
    conf.port = listener_port(first);
    assert_int_equal(listener_new(l, &conf, &tcp, on_accept, &seen, &second, &msg), GW_OK);
    listener_free(&first);
    listener_free(&second);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits),
        cmocka_unit_test(faults_have_words),
        cmocka_unit_test(a_port_can_be_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
