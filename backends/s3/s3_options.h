/* The option table of the kind `s3`: fills struct s3_conf. */
#ifndef BACKENDS_S3_S3_OPTIONS_H
#define BACKENDS_S3_S3_OPTIONS_H

#include "config/option.h"

extern const struct opt_spec s3_options[];

#endif
