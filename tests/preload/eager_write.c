/*
 * For LD_PRELOAD under the real command: an ssh_channel_write() that handles packets before it
 * writes, as libssh's own does whenever it meets a key exchange that is not over. From outside that
 * is a matter of luck; here every write does it, and waits for a packet to handle.
 *
 * A write of nothing, or of more than the window, ends the process: at window 0 libssh handles
 * packets inside as well, again and again while the peer grows the window byte by byte.
 */
#include <dlfcn.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20

typedef int write_fn(ssh_channel channel, const void *data, uint32_t len);

int ssh_channel_write(ssh_channel channel, const void *data, uint32_t len)
{
    void *found = dlsym(RTLD_NEXT, "ssh_channel_write");
    write_fn *real;
    memcpy(&real, &found, sizeof real); /* ISO C has no cast for it */
    if (len == 0 || len > ssh_channel_window_size(channel)) {
        fprintf(stderr, "ssh_channel_write() of %u bytes into a window of %u\n", len,
                ssh_channel_window_size(channel));
        abort();
    }
    (void)ssh_channel_poll_timeout(channel, WAIT_MS, 0);
    return real(channel, data, len);
}
