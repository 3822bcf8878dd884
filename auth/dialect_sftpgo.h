/* SFTPGo's hooks: what dialect_sftpgo*.c share. */
#ifndef AUTH_DIALECT_SFTPGO_H
#define AUTH_DIALECT_SFTPGO_H

#include "auth/dialect_impl.h"

/* The questions of one check, in order; a login by password or key is the first only. */
enum {
    DIALECT_SFTPGO_BEGIN,
    DIALECT_SFTPGO_PASSWORD, /* check_password: the answer, given to the external auth hook */
    DIALECT_SFTPGO_DIALOG,   /* the keyboard-interactive hook */
    DIALECT_SFTPGO_USER,     /* it has let the user in: who is that? */
};

/* The external auth hook is asked with `password`; NULL = as req says. */
bool dialect_sftpgo_ask_user(const struct dialect *d, const struct auth_req *req,
                             const char *password, struct dialect_ask *ask,
                             struct dialect_verdict *v);
/* The user object as an identity. False after AUTH_FAULT or AUTH_REJECT. */
bool dialect_sftpgo_user(const struct dialect *d, const struct auth_req *req, const json_t *user,
                         json_t *identity, struct dialect_verdict *v);
/* Where a filesystem object leads: adds "backend" or "store", and "prefix", to mount. local: the
 * path on SFTPGo's machine that a local one means; NULL = the user's name below home_base. */
bool dialect_sftpgo_filesystem(const struct dialect *d, const json_t *filesystem, const char *path,
                               const char *local, json_t *mount, struct dialect_verdict *v);

/* The keyboard-interactive hook. */
bool dialect_sftpgo_ask_dialog(const struct dialect *d, const struct auth_req *req,
                               struct dialect_ask *ask, struct dialect_verdict *v);
void dialect_sftpgo_answer_dialog(const struct dialect *d, const struct auth_req *req,
                                  struct dialect_ask *ask, const struct dialect_got *got,
                                  struct dialect_verdict *v);

#endif
