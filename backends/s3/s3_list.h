/* One page of ListObjectsV2. */
#ifndef BACKENDS_S3_S3_LIST_H
#define BACKENDS_S3_S3_LIST_H

#include "backends/s3/s3.h"
#include "backends/s3/s3_xml.h"

#define S3_LIST_PAGE 1000u

/* Where a listing has been: a server whose tokens come round again would never end it. Zeroed at
 * first. Source: R. P. Brent, "An improved Monte Carlo factorization algorithm", BIT 20, 1980. */
struct s3_list_trail {
    char *mark;            /* one of the tokens */
    uint32_t steps, until; /* pages; the next mark */
};
void s3_list_trail_free(struct s3_list_trail *t); /* ready for another listing */

struct s3_list_args {
    const char *prefix; /* "" = the bucket */
    bool delimited;     /* fold what lies behind the next slash into one prefix */
    unsigned max_keys;  /* 1..S3_LIST_PAGE */
    const char *token;  /* NextContinuationToken of the page before; NULL or "" = the first */
    struct s3_list_trail *trail; /* of a listing of many pages; NULL = this one only. Borrowed until
                                    done or a cancel */
    const struct log_ctx *log;
};

struct s3_list_res {
    enum gw_err err;
    const char *text;
    bool truncated;
    const char *token; /* of the next page, when truncated */
};
typedef void s3_list_done_fn(void *arg, const struct s3_list_res *res);

/* fn gets each key and prefix of the page, then done, both with arg; fn never after a cancel. An
 * answer that is truncated without a token, or with one that args or the trail has seen, is
 * GW_UPSTREAM; a cycle is noticed within three times its pages and those before it. */
struct op *s3_list_start(struct s3_store *s, const struct s3_list_args *args, s3_xml_item_fn *fn,
                         s3_list_done_fn *done, void *arg);

#endif
