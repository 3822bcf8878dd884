#include <fcntl.h>
#include <malloc.h>

#include "gateway/cmd.h"

int main(int argc, char **argv)
{
    /* By default every thread gets an arena, and each arena keeps the most that it ever held: what
     * moves from loop to loop (limits.memory_mb) would be resident several times over. */
    (void)mallopt(M_ARENA_MAX, 1);
    /* A standard stream that is closed would be the next socket or pipe. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR);
    return cmd_main(argc, argv);
}
