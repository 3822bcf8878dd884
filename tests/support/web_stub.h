/*
 * A small server in memory, for what a real one does not do on command: every fault of a bad day.
 * It speaks WebDAV below "/dav/", and httpfs (docs/httpfs.yaml) below "/fs/". Files only, in one
 * folder, the same for both; "d" is an empty folder in it, and the last one that was made is
 * another. All functions from the test's thread.
 */
#ifndef TESTS_SUPPORT_WEB_STUB_H
#define TESTS_SUPPORT_WEB_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum web_stub_fault {
    WEB_STUB_NONE,
    WEB_STUB_STATUS,      /* answers `value`, nothing done; text: the body, NULL = none */
    WEB_STUB_REDIRECT,    /* 302 to `text` */
    WEB_STUB_TEXT,        /* 207 with `text` as its body; httpfs: 200 */
    WEB_STUB_CUT_REQUEST, /* resets the connection after a part of the request's body */
    WEB_STUB_LOSE_ANSWER, /* does it, then closes without a word */
    WEB_STUB_TRUNCATE,    /* a GET's body ends half-way, the connection closes */
    WEB_STUB_STALL,       /* a GET's body stops half-way, and the connection stays */
    WEB_STUB_SHORT,       /* a GET's answer is half of what was asked for, and says so */
    WEB_STUB_LONG,        /* a GET's answer goes on behind its Content-Length */
    WEB_STUB_NO_RANGE,    /* a GET answers 200 with all of it; httpfs: from the offset on */
    WEB_STUB_NO_OFFSET,   /* a GET answers 200 with all of it */
    WEB_STUB_OTHER_RANGE, /* a GET answers with another range */
    WEB_STUB_OTHER_ETAG,  /* a GET answers with another ETag */
    WEB_STUB_OTHER_SIZE,  /* a GET's Content-Range tells another size of the whole */
    WEB_STUB_NO_SIZE,     /* a GET answers without a length */
    WEB_STUB_MANY,        /* a listing of `value` entries, written slowly */
    WEB_STUB_HANG,        /* no answer while the stub lives */
    WEB_STUB_KEEP,        /* an upload is answered as ever, and `value` bytes of it are stored */
    WEB_STUB_LOSE,        /* reads all of it, does nothing, and closes without a word */
    /* These answer `value` before they read the body, and store nothing: */
    WEB_STUB_EARLY,       /* then it is read, and the connection goes on */
    WEB_STUB_EARLY_CLOSE, /* "Connection: close"; what comes is read until the client closes */
    WEB_STUB_EARLY_RESET, /* the same, and the connection is reset under the body */
};

struct web_stub;

struct web_stub *web_stub_start(void);
void web_stub_stop(struct web_stub **sp);
unsigned web_stub_port(const struct web_stub *s);

/* The next `times` requests with this word (a method, or a call of httpfs as "stat"; NULL = any)
 * meet the fault, after `skip` that do not. text is borrowed. */
void web_stub_fail(struct web_stub *s, enum web_stub_fault fault, const char *word, unsigned skip,
                   unsigned times, unsigned value, const char *text);
void web_stub_no_folder(struct web_stub *s); /* but "d" */
/* Bodies of an unknown length are refused with 411. */
void web_stub_wants_length(struct web_stub *s, bool on);
/* How WebDAV's files get a time: not at all, by X-OC-Mtime of a PUT, by PROPPATCH of lastmodified.
 */
enum web_stub_times { WEB_STUB_NO_TIMES, WEB_STUB_TIMES_BY_PUT, WEB_STUB_TIMES_BY_PROPPATCH };
void web_stub_keeps_times(struct web_stub *s, enum web_stub_times how);
/* Of a file: its size, -1 = none. data may be NULL. */
int64_t web_stub_file(struct web_stub *s, const char *name, const uint8_t **data);
void web_stub_put(struct web_stub *s, const char *name, const void *data, size_t n);
size_t web_stub_files(struct web_stub *s); /* those of reserved names as well */
unsigned web_stub_requests(struct web_stub *s, const char *word); /* NULL = all */
unsigned web_stub_written(struct web_stub *s); /* entries of WEB_STUB_MANY so far */
/* Did the last request carry this header? Copied into out. */
bool web_stub_header(struct web_stub *s, const char *name, char *out, size_t cap);

#endif
