/*
 * A store seen with other credentials: its connections are shared, everything that depends on who
 * asks (signatures, what is remembered of listings) is not. Twins with equal credentials are one.
 */
#ifndef BACKENDS_S3_S3_TWIN_H
#define BACKENDS_S3_S3_TWIN_H

#include "backends/s3/s3.h"

/*
 * The store as `who` sees it (NULL = with its own credentials). Gives a reference.
 * Errors: GW_CONFIG: no such set, with words for the log in *msg (may be NULL).
 */
enum gw_err s3_twin_of(struct s3_store *s, const struct backend_credentials *who,
                       struct s3_store **out, struct gw_errmsg *msg);

#endif
