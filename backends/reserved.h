/* Names that are ours, in any folder of any store: uploads that have no name of their own yet. They
 * cannot be addressed or listed. No letter of it is another's case variant. */
#ifndef BACKENDS_RESERVED_H
#define BACKENDS_RESERVED_H

#include <stdbool.h>

#define RESERVED_PREFIX ".gateway-upload"

bool reserved_name(const char *name);
/* Does any component of path begin with the reserved name? */
bool reserved_path(const char *path);

#endif
