/* Which libssh this process runs with. */
#ifndef GATEWAY_SSH_SSHLIB_H
#define GATEWAY_SSH_SSHLIB_H

const char *sshlib_version(void); /* "0.10.6/openssl/zlib" */

#endif
