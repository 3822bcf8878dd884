/*
 * A small S3 in memory, for what a real one does not do on command: every fault of a bad day.
 * No signatures are checked. One bucket, whatever its name. All functions from the test's thread.
 */
#ifndef TESTS_SUPPORT_S3_STUB_H
#define TESTS_SUPPORT_S3_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum s3_stub_fault {
    S3_STUB_NONE,
    S3_STUB_SLOW_DOWN,    /* 503, nothing done */
    S3_STUB_DENIED,       /* 403 */
    S3_STUB_CUT_BODY,     /* resets the connection after a part of the request's body */
    S3_STUB_LOSE_ANSWER,  /* does it, then closes without a word */
    S3_STUB_ERROR_IN_200, /* does nothing, answers 200 with an <Error> */
    S3_STUB_TRUNCATE,     /* a GET's body ends half-way, the connection closes */
    S3_STUB_SHORT,        /* a GET's answer is half of what was asked for, and says so */
    S3_STUB_NO_RANGE,     /* a GET answers 200 with all of it */
    S3_STUB_OTHER_RANGE,  /* a GET answers with another range */
    S3_STUB_OTHER_ETAG,   /* a GET answers with another ETag */
    S3_STUB_IMPLEMENTED,  /* 501 to a condition on a write */
    S3_STUB_NO_CONDITION, /* ignores If-None-Match */
    S3_STUB_LOSE_REQUEST, /* does nothing, and closes without a word */
    S3_STUB_HANG,         /* no answer while the stub lives */
    S3_STUB_EMPTY_PAGE,   /* a listing answers with a page of nothing, and says that more follows */
    S3_STUB_CYCLE,        /* a listing answers with its second page for the first, and so on */
    S3_STUB_OVERTAKEN,    /* a completion is done, and then somebody stores another object there */
    S3_STUB_FAULTS
};

struct s3_stub;

struct s3_stub *s3_stub_start(void);
void s3_stub_stop(struct s3_stub **sp);
unsigned s3_stub_port(const struct s3_stub *s);
void s3_stub_settle(struct s3_stub *s); /* http_stub_settle() */

/* The next `times` requests with this method whose target holds `part` (NULL: whose target does not
 * hold "uploadId") meet the fault, after `skip` that do not. One rule at a time. */
void s3_stub_fail(struct s3_stub *s, enum s3_stub_fault fault, const char *method, const char *part,
                  unsigned skip, unsigned times);
/* ETags of parts tell nothing of the content, as where the server encrypts with a key of its own.
 */
void s3_stub_encrypt(struct s3_stub *s, bool on);
unsigned s3_stub_failed(struct s3_stub *s); /* how often the rule came true */

/* Of an object: its size, -1 = none. data may be NULL. */
int64_t s3_stub_object(struct s3_stub *s, const char *key, const uint8_t **data);
/* Its header as it was stored; "" = absent. Valid until the object changes. */
const char *s3_stub_mtime(struct s3_stub *s, const char *key);
void s3_stub_put(struct s3_stub *s, const char *key, const void *data, size_t n);
size_t s3_stub_uploads(struct s3_stub *s);                        /* unfinished */
void s3_stub_age(struct s3_stub *s, int64_t seconds);             /* makes all uploads older */
unsigned s3_stub_requests(struct s3_stub *s, const char *method); /* NULL = all */

#endif
