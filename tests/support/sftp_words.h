/* Short words that the tests of the engine are written in. */
#ifndef TESTS_SUPPORT_SFTP_WORDS_H
#define TESTS_SUPPORT_SFTP_WORDS_H

#include "gateway/sftp/status.h"
#include "gateway/sftp/wire.h"
#include "tests/support/sftp_peer.h"
#include "tests/support/sync.h"

#define Q(x)     ((uint64_t)(x))
#define H(h)     gw_span_of((h), (h##_len)) /* a handle of sftp_peer_open() */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* pflags of OPEN. */
enum { READ = 1, WRITE = 2, APPEND = 4, CREAT = 8, TRUNC = 16, EXCL = 32 };

#endif
