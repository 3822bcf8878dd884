/*
 * A store in memory, for tests and demonstrations: all that fs.h can do, bounded, and gone when the
 * last backend of its name is. Shared by every loop of the process. An upload appears at close.
 */
#ifndef BACKENDS_MEMORY_H
#define BACKENDS_MEMORY_H

#include "backends/backends.h"

struct memory_conf {
    uint32_t max_mb;
};

extern const struct backend_kind memory_kind;

#endif
