/* Which libcurl this process runs with. */
#ifndef GATEWAY_IO_HTTPLIB_H
#define GATEWAY_IO_HTTPLIB_H

const char *httplib_version(void); /* "libcurl/7.88.1 OpenSSL/3.0.17 ..." */

#endif
