/*
 * A whole session over a memory store. The input is what the client sends after INIT. No fuzzer
 * guesses a handle, so the 12 bytes "handle--000" + N stand for the N-th that the engine gave.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/sftp/handles.h"
#include "gateway/sftp/wire.h"
#include "tests/support/sftp_peer.h"

#define HANDLES_MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mark[] = "handle--000";

/* Every HANDLE among the replies, in order. */
static size_t collect(struct sftp_peer *p, uint8_t given[HANDLES_MAX][HANDLES_WIRE_BYTES], size_t n)
{
    struct sftp_reply r;
    while (sftp_peer_next(p, &r)) {
        if (r.type == FXP_STATUS && r.code > 8)
            abort(); /* a status that version 3 does not know */
        struct gw_span h = gw_rd_str(&r.body, SIZE_MAX);
        if (r.type == FXP_HANDLE && h.len == HANDLES_WIRE_BYTES && n < HANDLES_MAX)
            memcpy(given[n++], h.ptr, h.len);
    }
    return n;
}

static void settle(struct sftp_peer *p)
{
    for (unsigned i = 0; i < 50 && sftpd_busy(p->sftpd); i++) {
        loop_poll(p->loop);
        sftp_peer_pump(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t given[HANDLES_MAX][HANDLES_WIRE_BYTES] = {{0}};
    const char *why = NULL;
    size_t n = 0;
    log_level_now = LOG_LVL_ERROR;
    struct sftp_peer *p = sftp_peer_new(NULL);
    sftp_peer_hello(p);
    uint8_t *copy = mem_alloc(size);
    memcpy(copy, data, size);
    size_t at = 0;
    while (at < size && !sftpd_finished(p->sftpd, &why)) {
        /* Up to the next mark: what comes before it is answered first, so that its handle is
         * there. */
        size_t end = at + 1;
        while (end < size &&
               (size - end < HANDLES_WIRE_BYTES || memcmp(copy + end, mark, sizeof mark - 1) != 0))
            end++;
        if (size - at >= HANDLES_WIRE_BYTES && memcmp(copy + at, mark, sizeof mark - 1) == 0)
            memcpy(copy + at, given[copy[at + 11] % HANDLES_MAX], HANDLES_WIRE_BYTES);
        sftp_peer_put_raw(p, gw_span_of(copy + at, end - at));
        sftp_peer_pump(p);
        settle(p);
        n = collect(p, given, n);
        at = end;
    }
    sftpd_eof(p->sftpd);
    settle(p);
    mem_free(copy);
    sftp_peer_free(&p);
    return 0;
}
