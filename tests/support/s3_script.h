/* The client of S3 against a server that answers from a script. What cannot be had ends the
 * program. */
#ifndef TESTS_SUPPORT_S3_SCRIPT_H
#define TESTS_SUPPORT_S3_SCRIPT_H

#include <pthread.h>

#include "backends/s3/s3.h"
#include "tests/support/http_stub.h"

#define S3_SCRIPT_ERROR(code)                                                                      \
    "<Error><Code>" code "</Code><RequestId>4442587FB7D0A2F9</RequestId></Error>"
#define S3_SCRIPT_STEPS 6u

struct s3_script_reply {
    unsigned status; /* 0 = no more replies: 200 "ok" */
    const char *headers, *body;
    enum { S3_SCRIPT_PLAIN, S3_SCRIPT_CUT_HEAD, S3_SCRIPT_CUT_BODY, S3_SCRIPT_SILENT } how;
};

struct s3_script_server {
    pthread_mutex_t lock;
    struct s3_script_reply replies[S3_SCRIPT_STEPS];
    unsigned requests; /* how many came */
    char dates[S3_SCRIPT_STEPS][32], tokens[S3_SCRIPT_STEPS][64], hashes[S3_SCRIPT_STEPS][80];
    char target[4096], host[64], type[64], auth[1024];
    unsigned now, most; /* at once */
    unsigned pause_ms;
};

struct s3_script {
    struct s3_script_server server;
    struct http_stub *stub;
    struct loop *loop;
    struct s3_conf conf;
    struct s3_client *client;
    char endpoint[64];
};

struct s3_script_got {
    struct op *op;
    bool done;
    enum gw_err err;
    unsigned status;
    bool maybe_done;
    char text[FS_TEXT_MAX], code[64], body[64];
    char streamed[64];
};

/* A group's setup and teardown: *state is a script. */
int s3_script_setup(void **state);
int s3_script_teardown(void **state);
/* A client of what conf says now; a server, where it was stopped. */
void s3_script_renew(struct s3_script *e);
/* What the server says from now on; what it has seen is forgotten. */
void s3_script_play(struct s3_script *e, const struct s3_script_reply replies[S3_SCRIPT_STEPS]);
/* One request, to its end. */
void s3_script_run(struct s3_script *e, const struct s3_req *req, struct s3_script_got *g);
/* For requests that are started otherwise; arg: a got. */
remote_done_fn s3_script_done;
bool s3_script_over(void *arg);
/* How many the server has seen: it may be busy with one that the client gave up. */
unsigned s3_script_requests(struct s3_script *e);

#endif
