/* What the files of the stub share: what it holds, one request, and an answer of a file. */
#ifndef TESTS_SUPPORT_WEB_STUB_IMPL_H
#define TESTS_SUPPORT_WEB_STUB_IMPL_H

#include <pthread.h>

#include "gateway/base/buf.h"
#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "tests/support/http_stub.h"
#include "tests/support/web_stub.h"

#define WEB_STUB_NAME_MAX 512u
#define WEB_STUB_WORDS    32u

struct web_stub_file {
    struct list node;
    char name[WEB_STUB_NAME_MAX];
    uint8_t *data;
    size_t len;
    unsigned version;
    long long mtime_s; /* 0 = that of all others */
};

struct web_stub {
    struct http_stub *http;
    pthread_mutex_t lock; /* guards all below */
    struct list files;
    unsigned versions, written, requests;
    char words[WEB_STUB_WORDS][16];
    unsigned counts[WEB_STUB_WORDS]; /* of each word */
    enum web_stub_fault fault;
    char word[16];
    unsigned skip, times, value;
    const char *text;
    bool wants_length;
    enum web_stub_times times_kept;
    char head[4096];
    char made[WEB_STUB_NAME_MAX]; /* the folder that was made; "" = none */
};

/* One request, decoded. */
struct web_stub_call {
    struct web_stub *s;
    struct http_stub_conn *c;
    const struct http_stub_req *r;
    char word[16];                /* what it asks for: its method, or a call of httpfs */
    char name[WEB_STUB_NAME_MAX]; /* below the folder; "" = the folder */
    bool httpfs;
    bool mute; /* it is done, and not answered */
    enum web_stub_fault fault;
    unsigned value;
    const char *text;
};

bool web_stub_status(const struct web_stub_call *k, unsigned code);
/* How much of an upload's body is stored. */
size_t web_stub_kept(const struct web_stub_call *k);
/* The range that was asked for, or what follows `from`; the fault decides what it is really. */
bool web_stub_get(const struct web_stub_call *k, size_t from);

/* Under the lock. */
struct web_stub_file *web_stub_find(struct web_stub *s, const char *name); /* NULL = none */
void web_stub_store(struct web_stub *s, const char *name, const void *data, size_t n);
void web_stub_drop(struct web_stub_file *f);
bool web_stub_is_folder(const struct web_stub_call *k);
void web_stub_make(const struct web_stub_call *k);

/* web_stub_dav.c: below /dav/. */
void web_stub_dav_name(const char *target, char *out); /* WEB_STUB_NAME_MAX bytes */
bool web_stub_dav(const struct web_stub_call *k);
bool web_stub_dav_many(const struct web_stub_call *k);

/* web_stub_httpfs.c: below /fs/. decode(): false = it is not. */
bool web_stub_httpfs_decode(struct web_stub_call *k);
bool web_stub_httpfs(const struct web_stub_call *k);
bool web_stub_httpfs_many(const struct web_stub_call *k);

#endif
