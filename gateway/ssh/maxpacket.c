#include "gateway/ssh/maxpacket.h"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/mem.h"

#define CAPTURE_MAX (1024u * 1024u)
/* Of a packet in the capture: libssh's own record, IP and TCP headers. */
#define FILE_HEADER   24u
#define RECORD_HEADER 16u
#define IP_TCP_HEADER 40u
#define CHANNEL_OPEN  90u /* RFC 4254 section 5.1 */

struct maxpacket_guard {
    ssh_pcap_file tap;
    int fd; /* a memfd: the capture never touches a disk */
};

bool maxpacket_needed(void)
{
    return ssh_version(SSH_VERSION_INT(0, 11, 0)) == NULL;
}

/* Loop threads are inside a guarded call, or not. */
static _Thread_local bool entered;

void maxpacket_enter(struct maxpacket_guard *g)
{
    entered = g != NULL;
}

void maxpacket_leave(void)
{
    entered = false;
}

#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)
/*
 * libssh's tap asks for the addresses to invent TCP headers, and captures nothing when they are not
 * IPv4. The executable's definition comes before the C library's for libssh too: during guarded
 * calls, and only then, an IPv6 end shows as 0.0.0.0.
 */
static int end_of(long which, int fd, struct sockaddr *addr, socklen_t *len)
{
    socklen_t cap = *len;
    int rc = (int)syscall(which, fd, addr, len);
    if (rc == 0 && entered && cap >= sizeof(struct sockaddr_in) && addr->sa_family == AF_INET6) {
        memset(addr, 0, sizeof(struct sockaddr_in));
        addr->sa_family = AF_INET;
        *len = sizeof(struct sockaddr_in);
    }
    return rc;
}

int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
    return end_of(SYS_getsockname, fd, addr.__sockaddr__, len);
}

int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
    return end_of(SYS_getpeername, fd, addr.__sockaddr__, len);
}
#endif

struct maxpacket_guard *maxpacket_attach(struct ssh_session_struct *ssh)
{
    struct maxpacket_guard *g = mem_zalloc(sizeof *g);
    g->fd = memfd_create("channel-open", MFD_CLOEXEC);
    g->tap = ssh_pcap_file_new();
    char *path = mem_printf("/proc/self/fd/%d", g->fd);
    bool ok = g->fd >= 0 && g->tap != NULL && ssh_pcap_file_open(g->tap, path) == SSH_OK &&
              ssh_set_pcap_file(ssh, g->tap) == SSH_OK;
    mem_free(path);
    if (!ok)
        maxpacket_free(&g, ssh);
    return g;
}

void maxpacket_free(struct maxpacket_guard **gp, struct ssh_session_struct *ssh)
{
    struct maxpacket_guard *g = *gp;
    *gp = NULL;
    if (g == NULL)
        return;
    if (ssh != NULL)
        (void)ssh_set_pcap_file(ssh, NULL);
    if (g->tap != NULL)
        ssh_pcap_file_free(g->tap);
    if (g->fd >= 0)
        close(g->fd);
    mem_free(g);
}

bool maxpacket_overrun(const struct maxpacket_guard *g)
{
    struct stat st;
    return fstat(g->fd, &st) != 0 || st.st_size > (off_t)CAPTURE_MAX;
}

/* One packet as libssh has it: with its length field, or without under encrypt-then-MAC. */
static uint32_t max_packet_of(struct gw_span packet)
{
    struct gw_rd r = gw_rd_of(packet);
    if (gw_rd_u32(&r) != packet.len - 4)
        r = gw_rd_of(packet);
    (void)gw_rd_u8(&r); /* the length of the padding */
    if (gw_rd_u8(&r) != CHANNEL_OPEN)
        return 0;
    (void)gw_rd_str(&r, 1024); /* the channel's type */
    (void)gw_rd_u32(&r);       /* the sender's number for it */
    (void)gw_rd_u32(&r);       /* the window */
    uint32_t max = gw_rd_u32(&r);
    return r.failed ? 0 : max;
}

/* The headers of a record are in the host's byte order or not, by libssh's will; its lengths are
 * big-endian here. Source: libpcap's file format. */
uint32_t maxpacket_parse(struct gw_span pcap)
{
    struct gw_rd r = gw_rd_of(pcap);
    uint32_t last = 0;
    (void)gw_rd_bytes(&r, FILE_HEADER);
    while (!r.failed && gw_rd_left(&r) > 0) {
        (void)gw_rd_bytes(&r, RECORD_HEADER / 2); /* the time */
        uint32_t len = gw_rd_u32(&r);
        (void)gw_rd_u32(&r); /* its length before it was cut: libssh cuts none */
        struct gw_span all = gw_rd_bytes(&r, len);
        if (r.failed || len <= IP_TCP_HEADER)
            continue;
        uint32_t max = max_packet_of(gw_span_of(all.ptr + IP_TCP_HEADER, all.len - IP_TCP_HEADER));
        last = max != 0 ? max : last;
    }
    return last;
}

bool maxpacket_ok(struct maxpacket_guard *g)
{
    struct stat st;
    bool ok = false;
    /* Closing writes out what stdio still holds. */
    if (ssh_pcap_file_close(g->tap) != SSH_OK || fstat(g->fd, &st) != 0 || st.st_size <= 0 ||
        st.st_size > (off_t)(2 * CAPTURE_MAX))
        return false;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, g->fd, 0);
    if (map == MAP_FAILED)
        return false;
    ok = maxpacket_parse(gw_span_of(map, (size_t)st.st_size)) >= MAXPACKET_LEAST;
    munmap(map, (size_t)st.st_size);
    return ok;
}
