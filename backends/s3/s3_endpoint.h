/* Where a bucket is: the configured or AWS's own endpoint, path or virtual-host style. */
#ifndef BACKENDS_S3_S3_ENDPOINT_H
#define BACKENDS_S3_S3_ENDPOINT_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

struct s3_conf;

struct s3_endpoint {
    bool tls;
    char *host; /* as the Host header and the URL carry it, with the port where it is no default */
    char *base; /* what leads every path, without its last slash: "/bucket", or "" when the bucket
                   is in the host */
};

/* "https://host[:port][/]": scheme, host and port only. For the option's check as well. */
enum gw_err s3_endpoint_check(const char *url, struct gw_errmsg *msg);
/* Virtual-host style is used when path_style is off and the name can be part of a host: a name with
 * a dot has no TLS certificate, an address has no subdomains. */
enum gw_err s3_endpoint_init(struct s3_endpoint *e, const struct s3_conf *conf,
                             struct gw_errmsg *msg);
void s3_endpoint_free(struct s3_endpoint *e);

#endif
