#include <malloc.h>

#include "gateway/cmd.h"

int main(int argc, char **argv)
{
    /* By default every thread gets an arena, and each arena keeps the most that it ever held: what
     * moves from loop to loop (limits.memory_mb) would be resident several times over. */
    (void)mallopt(M_ARENA_MAX, 1);
    return cmd_main(argc, argv);
}
