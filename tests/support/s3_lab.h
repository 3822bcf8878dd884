/*
 * A store of the kind `s3` for tests: onto tests/support/s3_stub.c, or onto the real server that
 * the environment names (POSTERN_TEST_S3_ENDPOINT, _KEY, _SECRET, _BUCKET, _CA). What cannot be had
 * ends the program.
 */
#ifndef TESTS_SUPPORT_S3_LAB_H
#define TESTS_SUPPORT_S3_LAB_H

#include "backends/s3/s3.h"
#include "tests/support/s3_stub.h"

#define S3_LAB_MIB ((uint64_t)1 << 20)

struct s3_lab {
    struct s3_stub *stub; /* NULL = a real server; not s3_lab_close()'s */
    struct loop *loop;
    struct budget *budget;
    struct s3_conf conf;
    struct backend *backend;
    struct fs *fs; /* below `prefix` */
    char prefix[64];
};

/* Fills e->conf, which may then be changed. stub NULL: the real server that the environment names.
 */
void s3_lab_conf(struct s3_lab *e, const struct s3_stub *stub);
/* Loop, budget, store and a view. state_dir may be NULL. */
void s3_lab_open(struct s3_lab *e, const char *prefix, const char *state_dir, size_t budget);
/* Nothing of the budget may be out. */
void s3_lab_close(struct s3_lab *e); /* its stub goes on */

/* One onto a stub of its own; the view's prefix is "p". */
struct s3_lab *s3_lab_stub(void);
/* One onto the real server, below a prefix of its own; NULL: the environment names none. */
struct s3_lab *s3_lab_real(size_t budget);
void s3_lab_free(struct s3_lab **ep); /* NULL-safe; the stub as well */
/* A test's setup and teardown: *state is a lab, of s3_lab_stub(). */
int s3_lab_setup(void **state);
int s3_lab_teardown(void **state);

/* A plain request, to its end. */
enum gw_err s3_lab_request(struct s3_lab *e, const struct s3_req *req);
/* The stub knows of no unfinished upload. arg: a lab. For sync_until(). */
bool s3_lab_no_uploads(void *arg);

#endif
