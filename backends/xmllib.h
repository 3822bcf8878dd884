/* Which expat this process runs with. */
#ifndef BACKENDS_XMLLIB_H
#define BACKENDS_XMLLIB_H

const char *xmllib_version(void); /* "expat_2.5.0" */

#endif
