/* Uploads whose client has gone: what is stored, what is thrown away, and an end at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/sftp/keep.h"
#include "tests/support/sftp_words.h"

static struct held held;

static struct sftp_peer *peer(void)
{
    held_init(&held);
    struct sftp_peer *p = sftp_peer_new(&(struct sftp_peer_opts){.held = &held});
    sftp_peer_hello(p);
    return p;
}

static void ended(void *arg)
{
    *(struct op **)arg = NULL;
}

static bool is_over(void *arg)
{
    return *(struct op **)arg == NULL;
}

static void assert_file(struct sftp_peer *p, const char *path, const char *want)
{
    char text[64] = "";
    enum gw_err err = sync_get(p->raw, path, text, sizeof text);
    assert_int_equal(err, want == NULL ? GW_NOT_FOUND : GW_OK);
    if (want != NULL)
        assert_string_equal(text, want);
}

static void test_nothing_to_keep(void **state)
{
    (void)state;
    struct sftp_peer *p = peer();
    uint8_t h[256];
    assert_int_equal(sync_put(p->raw, "/a", "old"), GW_OK);
    assert_false(keep_wanted(p->sftpd));
    (void)sftp_peer_open(p, "/a", READ, h);
    assert_false(keep_wanted(p->sftpd));
    sftp_peer_free(&p);
}

/* What runs when the client goes is done first: two writes, one of them held, and a file that was
 * only read. */
static void test_what_arrived_is_stored(void **state)
{
    (void)state;
    struct sftp_peer *p = peer();
    uint8_t h[256], r[256];
    assert_int_equal(sync_put(p->raw, "/read", "old"), GW_OK);
    (void)sftp_peer_open(p, "/read", READ, r);
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    held.hold = true;
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "first ");
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(6), "second");
    sftp_peer_pump(p);
    assert_true(keep_wanted(p->sftpd));
    struct op *op = keep_start(&p->sftpd, ended, &op);
    assert_null(p->sftpd);
    for (int i = 0; i < 5; i++)
        loop_poll(p->loop);
    assert_file(p, "/a", NULL);
    held.hold = false;
    held_release_all(&held);
    assert_true(sync_until(p->loop, is_over, &op));
    assert_file(p, "/a", "first second");
    sftp_peer_free(&p);
    assert_int_equal(held.files, 0);
}

static void test_a_lost_write_is_not_stored(void **state)
{
    (void)state;
    struct sftp_peer *p = peer();
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    held.hold = true;
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "first ");
    sftp_peer_pump(p);
    struct op *op = keep_start(&p->sftpd, ended, &op);
    held.hold = false;
    held_fail(&held, 0, GW_NO_SPACE, NULL);
    assert_true(sync_until(p->loop, is_over, &op));
    assert_file(p, "/a", NULL);
    sftp_peer_free(&p);
    assert_int_equal(held.files, 0);
}

/* A copy of the client's that has begun, or waits, ends with it; the other upload is stored. */
static void test_a_copy_ends(void **state)
{
    (void)state;
    struct sftp_peer *p = peer();
    uint8_t from[256], h[256], o[256];
    assert_int_equal(sync_put(p->raw, "/from", "long"), GW_OK);
    size_t from_len = sftp_peer_open(p, "/from", READ, from);
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    size_t o_len = sftp_peer_open(p, "/other", WRITE | CREAT | TRUNC, o);
    held.hold = true;
    for (unsigned i = 0; i < 2; i++)
        sftp_peer_put(p, FXP_EXTENDED, "sxqqxq", "copy-data", H(from), Q(0), Q(0), H(h), Q(4 * i));
    sftp_peer_pump(p);
    held.hold = false;
    sftp_peer_put(p, FXP_WRITE, "xqs", H(o), Q(0), "text");
    sftp_peer_pump(p);
    struct op *op = keep_start(&p->sftpd, ended, &op);
    assert_true(sync_until(p->loop, is_over, &op)); /* nobody lets the copy go on */
    assert_file(p, "/a", NULL);
    assert_file(p, "/other", "text");
    sftp_peer_free(&p);
    assert_int_equal(held.files, 0);
}

/* A WRITE that waits for its rate is not held up by it any more. */
static void test_rate_is_lifted(void **state)
{
    (void)state;
    struct sftp_peer *p = peer();
    struct rate *slow = rate_new(p->loop, 1);
    sftpd_free(&p->sftpd);
    struct op *woken = NULL; /* the peer asks by itself */
    const struct sftpd_env env = {.loop = p->loop,
                                  .vfs = p->vfs,
                                  .up = slow,
                                  .max_requests = 128,
                                  .max_handles = 16,
                                  .dir_page_entries = 100,
                                  .wake = ended,
                                  .arg = &woken};
    p->sftpd = sftpd_new(&env);
    sftp_peer_hello(p);
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "a day's worth");
    sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(13), " or two");
    sftp_peer_pump(p);
    struct op *op = keep_start(&p->sftpd, ended, &op);
    assert_true(sync_until(p->loop, is_over, &op));
    assert_file(p, "/a", "a day's worth or two");
    rate_free(&slow);
    sftp_peer_free(&p);
}

static void test_cancelled_at_every_step(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        struct sftp_peer *p = peer();
        uint8_t h[256];
        size_t h_len = sftp_peer_open(p, "/a", WRITE | CREAT | TRUNC, h);
        sftp_peer_put(p, FXP_WRITE, "xqs", H(h), Q(0), "text");
        sftp_peer_pump(p);
        struct op *op = keep_start(&p->sftpd, ended, &op);
        for (unsigned i = 0; i < turns && op != NULL; i++)
            loop_poll(p->loop);
        if (op != NULL)
            op_cancel(&op);
        assert_int_equal(held.files, 0);
        sftp_peer_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_keep),
        cmocka_unit_test(test_what_arrived_is_stored),
        cmocka_unit_test(test_a_lost_write_is_not_stored),
        cmocka_unit_test(test_a_copy_ends),
        cmocka_unit_test(test_rate_is_lifted),
        cmocka_unit_test(test_cancelled_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
