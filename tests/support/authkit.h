/* Keys, hashes and settings for the tests of auth/. */
#ifndef TESTS_SUPPORT_AUTHKIT_H
#define TESTS_SUPPORT_AUTHKIT_H

#include "auth/auth.h"
#include "gateway/base/buf.h"

/* Three public keys of which nobody has the private half. */
#define AUTHKIT_ED25519                                                                            \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEkh196r7zvbojcwMWxhFpsCG75Pe7EqdFhtB73TzZw8"
#define AUTHKIT_ED25519_OTHER                                                                      \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEkh196r7zvbojcwMWxhFpsCG75Pe7EqdFhtB73TzZw9"
#define AUTHKIT_ECDSA                                                                              \
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPd44fii1kyCQ"        \
    "+fPRWqXg8WvxQth6duFeoSGSGXOiihWPRHVwm1f5ZbEyYxeInaglOnukHATiwLT9qOGFJzabqk="

/* "secret", at the least cost that each kind has. */
#define AUTHKIT_YESCRYPT "$y$j75$kxqQoJaQi/1QjB5RZ7bPk.$nuSNCRS/S5RuWjXDzPXsdyUIcD51P/rGP85EU91oWG."
#define AUTHKIT_SHA256   "$5$rounds=1000$postern$L6QlxBnV6R19/0/aHUK/uhXb2DjbKOduARYp6Sq77o3"
#define AUTHKIT_BCRYPT   "$2b$04$aE7xbETwZh/uZ1LyXVHsK.vC9tL1rVo.oIZyyUfNymSpBOj9qP1ky"

/* A file of its own in a folder that is deleted by authkit_remove(). */
char *authkit_file(const char *text);
void authkit_write(const char *path,
                   const char *text); /* in place of what is there, as editors do */
void authkit_remove(char **path);

/* Settings with this `auth` object and this `users` object (JSON texts). Fails the test. */
struct settings *authkit_settings(const char *auth, const char *users);
/* The wire blob of a line without options. */
struct gw_buf authkit_blob(const char *line);

/* A verifier that says what the row says, after delay_ms; AUTHKIT_NEVER: nothing. */
#define AUTHKIT_NEVER UINT64_MAX
struct authkit_say {
    enum auth_verdict verdict;
    const char *identity; /* JSON of an ACCEPT */
    uint64_t delay_ms;
    const char *decoy;
    bool no_id;
    const char *instruction, *state; /* of an ASK, with `prompts` many */
    size_t prompts;
    bool has_cache_s;
    uint32_t cache_s;
};
struct authkit_stub {
    struct verifier v;
    struct authkit_say say;
    struct loop *loop;
    struct verifier_common common;
    unsigned asked, cancelled;
    /* Of the last request: */
    unsigned step;
    size_t nanswers;
    char answer[64], state[64], done[64]; /* the first answer; "(none)" = NULL */
};
/* Joins a's chain, which the caller frees before *s. */
void authkit_stub_add(struct authkit_stub *s, const struct authkit_say *say, struct loop *l,
                      struct auth *a);

/* One answer of auth_check(), copied out. */
struct authkit_answer {
    struct op *op;
    unsigned calls;
    enum auth_verdict verdict;
    struct identity *id;
    char why[256], verifier[64];
    size_t nprompts;
    char prompt[64], instruction[64], state[64]; /* the first prompt; "(none)" = NULL */
    char said[128];                              /* "file[0]:1 stub[1]:0" */
};
auth_done_fn authkit_done;
/* Runs the loop until there is an answer. */
void authkit_wait(struct loop *l, struct authkit_answer *a);

#endif
