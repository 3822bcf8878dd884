/*
 * Where a store's credentials come from: an ordered table of sources, the first that has any wins.
 * The loop's thread only. Secrets are wiped when they go.
 */
#ifndef BACKENDS_S3_S3_CREDS_H
#define BACKENDS_S3_S3_CREDS_H

#include <stdbool.h>

#include "backends/s3/s3_sign.h"
#include "gateway/base/err.h"
#include "gateway/io/loop.h"

struct s3_creds;
struct s3_conf;
struct s3_conf_credentials;

/* changed: other credentials than before are in force. */
typedef void s3_creds_done_fn(void *arg, bool changed);

/* Errors: GW_CONFIG: no source has any, or one has only half of a pair. */
enum gw_err s3_creds_new(struct loop *l, const struct s3_conf *conf, struct s3_creds **out,
                         struct gw_errmsg *msg);
/* These and no others: they came with an identity. Copies them; never fails. */
struct s3_creds *s3_creds_given(struct loop *l, const struct s3_conf_credentials *given);
/* Are those in force these? */
bool s3_creds_are(const struct s3_creds *c, const struct s3_conf_credentials *given);
void s3_creds_free(struct s3_creds **cp);
/* Valid until the next turn of the loop. */
struct s3_sign_key s3_creds_key(const struct s3_creds *c);
const char *s3_creds_source(const struct s3_creds *c); /* "configuration", "environment": logs */
/* Asks the source again: the server said that the token expired. */
struct op *s3_creds_refresh(struct s3_creds *c, s3_creds_done_fn *done, void *arg);

#endif
