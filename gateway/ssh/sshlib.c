#include "gateway/ssh/sshlib.h"

#include <libssh/libssh.h>

const char *sshlib_version(void)
{
    return ssh_version(0);
}
