#include "backends/reserved.h"

#include <string.h>
#include <strings.h>

bool reserved_name(const char *name)
{
    return name[0] == '.' && strncasecmp(name, RESERVED_PREFIX, sizeof RESERVED_PREFIX - 1) == 0;
}

bool reserved_path(const char *path)
{
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += strspn(at, "/");
        if (reserved_name(at))
            return true;
    }
    return false;
}
