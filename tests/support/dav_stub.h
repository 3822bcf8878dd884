/*
 * A small WebDAV server in memory, for what a real one does not do on command: every fault of a bad
 * day. Files only, in one folder "/dav/"; "/dav/d/" is an empty folder below it. All functions from
 * the test's thread.
 */
#ifndef TESTS_SUPPORT_DAV_STUB_H
#define TESTS_SUPPORT_DAV_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dav_stub_fault {
    DAV_STUB_NONE,
    DAV_STUB_STATUS,      /* answers `value`, nothing done */
    DAV_STUB_REDIRECT,    /* 302 to `text` */
    DAV_STUB_TEXT,        /* 207 with `text` as its body */
    DAV_STUB_CUT_REQUEST, /* resets the connection after a part of the request's body */
    DAV_STUB_LOSE_ANSWER, /* does it, then closes without a word */
    DAV_STUB_TRUNCATE,    /* a GET's body ends half-way, the connection closes */
    DAV_STUB_SHORT,       /* a GET's answer is half of what was asked for, and says so */
    DAV_STUB_NO_RANGE,    /* a GET answers 200 with all of it */
    DAV_STUB_OTHER_RANGE, /* a GET answers with another range */
    DAV_STUB_OTHER_ETAG,  /* a GET answers with another ETag */
    DAV_STUB_NO_SIZE,     /* a GET answers without a length */
    DAV_STUB_MANY,        /* a listing of `value` entries, written slowly */
    DAV_STUB_HANG,        /* no answer while the stub lives */
};

struct dav_stub;

struct dav_stub *dav_stub_start(void);
void dav_stub_stop(struct dav_stub **sp);
unsigned dav_stub_port(const struct dav_stub *s);

/* The next `times` requests with this method (NULL = any) meet the fault, after `skip` that do not.
 * text is borrowed. */
void dav_stub_fail(struct dav_stub *s, enum dav_stub_fault fault, const char *method, unsigned skip,
                   unsigned times, unsigned value, const char *text);
/* Bodies of an unknown length are refused with 411. */
void dav_stub_wants_length(struct dav_stub *s, bool on);
/* Of a file: its size, -1 = none. data may be NULL. */
int64_t dav_stub_file(struct dav_stub *s, const char *name, const uint8_t **data);
void dav_stub_put(struct dav_stub *s, const char *name, const void *data, size_t n);
size_t dav_stub_files(struct dav_stub *s); /* those of reserved names as well */
unsigned dav_stub_requests(struct dav_stub *s, const char *method); /* NULL = all */
unsigned dav_stub_written(struct dav_stub *s); /* entries of DAV_STUB_MANY so far */
/* Did the last request carry this header? Copied into out. */
bool dav_stub_header(struct dav_stub *s, const char *name, char *out, size_t cap);

#endif
