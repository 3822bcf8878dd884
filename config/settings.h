/*
 * The configuration file as plain structs: an immutable snapshot, counted by references. A reload
 * makes a new one; sessions keep theirs. Any thread may read, ref and unref.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdatomic.h>

#include "config/option.h"
#include "gateway/base/log.h"

enum { SETTINGS_IPV6_DUAL, SETTINGS_IPV6_ONLY, SETTINGS_IPV6_OFF };

struct settings_listen {
    char *address;
    uint32_t port; /* 0 = any; the chosen one is logged */
    uint32_t backlog;
    int ipv6;
    bool exclusive;
    struct opt_strs allow, deny; /* CIDR or host name; deny wins; an empty allow = everybody */
};

struct settings_tcp {
    bool no_delay;
    uint32_t keepalive_s, keepalive_interval_s, keepalive_count;
    uint32_t receive_buffer_bytes, send_buffer_bytes; /* 0 = the kernel's */
};

struct settings_timeouts {
    uint32_t handshake_s, login_s, idle_s, drain_s;
};

struct settings_limits {
    uint32_t connections, connections_per_source, unauthenticated;
    uint32_t channels_per_connection, handles_per_session, requests_in_flight;
    uint32_t memory_mb;
    uint32_t spool_mb; /* 0 = no spool */
    uint32_t loops;    /* 0 = as many as cores */
};

struct settings_host_key {
    char *file; /* one of file, pem, env */
    char *pem;  /* secret */
    char *env;
    char *passphrase; /* secret */
};

struct settings_ssh {
    struct opt_list host_keys; /* struct settings_host_key */
    char *version;             /* what follows "SSH-2.0-" */
    char *banner;              /* NULL = none */
    struct opt_strs ciphers, macs, kex, host_key_algorithms, public_key_algorithms;
    int compression; /* 0 none, 1 delayed, 2 any */
    uint32_t rsa_min_bits;
    uint64_t rekey_bytes;
    uint32_t rekey_s;
    uint32_t keepalive_interval_s, keepalive_count_max;
};

struct settings_prompt {
    char *text;
    bool echo;
};

struct settings_keyboard_interactive {
    char *instruction;       /* NULL = none */
    struct opt_list prompts; /* struct settings_prompt; none = the verifiers ask */
};

struct settings_throttle {
    uint32_t failures, source_failures; /* both 0 = nobody is banned */
    uint32_t window_s, ban_s;
    struct opt_strs exempt; /* CIDR */
};

struct settings_auth {
    struct opt_strs methods; /* "publickey", "password", "keyboard-interactive" */
    uint32_t max_attempts, failure_delay_ms;
    struct settings_keyboard_interactive keyboard_interactive;
    struct settings_throttle throttle;
    struct opt_list verifiers; /* struct opt_any; kinds from auth/auth.h */
};

struct settings_sftp {
    uint32_t dir_page_entries;
    int ordered_replies; /* 0 auto, 1 always */
};

struct settings_log {
    int level, format, output; /* enum log_level, log_format, log_output */
    char *path;                /* output = file */
    bool mask_secrets;
};

struct settings {
    struct opt_list listen; /* struct settings_listen; at least one */
    struct settings_tcp tcp;
    struct settings_timeouts timeouts;
    struct settings_limits limits;
    struct settings_ssh ssh;
    struct settings_auth auth;
    struct opt_map backends; /* struct opt_any; kinds from backends/backends.h */
    json_t *users;           /* the identity that a verifier's answer is laid over; NULL = {} */
    struct settings_sftp sftp;
    struct settings_log log;
    char *state_dir; /* NULL = nothing is written to disk */
    char *schema;    /* "$schema", for editors only */
    /* private */
    atomic_uint refs;
};

/* The table of the whole file: for the generators of the schema and the documentation. */
extern const struct opt_spec settings_table[];
extern const struct opt_spec settings_auth_table[]; /* of `auth`: for settings_table only */

/*
 * Reads, expands, checks. `path` NULL takes `text` (tests). Blocks: start and reload only.
 * Errors: GW_CONFIG, GW_NO_MEMORY, GW_IO (the file cannot be read); every problem on a line of its
 * own in *problems (initialised by the caller).
 */
enum gw_err settings_load(const char *path, const char *text,
                          const struct opt_kinds kinds[OPT_SLOT_COUNT], struct settings **out,
                          struct gw_buf *problems);
/* The same, but *out is filled in as far as it goes, for the checks that can still be made; NULL
 * where there is no object to read. */
enum gw_err settings_read(const char *path, const char *text,
                          const struct opt_kinds kinds[OPT_SLOT_COUNT], struct settings **out,
                          struct gw_buf *problems);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings **sp);

#endif
