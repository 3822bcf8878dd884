#include "backends/xmllib.h"

#include <expat.h>

const char *xmllib_version(void)
{
    return XML_ExpatVersion();
}
