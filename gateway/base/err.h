/*
 * What went wrong, for the program (enum gw_err) and for a person (struct gw_errmsg).
 * Zero is success. errno becomes an error in gw_err_from_errno() and nowhere else; an error becomes
 * an SFTP status in gateway/sftp/status.c and nowhere else.
 */
#ifndef GATEWAY_BASE_ERR_H
#define GATEWAY_BASE_ERR_H

enum gw_err {
    GW_OK = 0,
    GW_EOF,         /* no more data or entries */
    GW_NOT_FOUND,   /* the name does not exist */
    GW_NO_PATH,     /* a folder on the way does not exist */
    GW_EXISTS,      /* the name exists already */
    GW_DENIED,      /* not allowed */
    GW_READ_ONLY,   /* not allowed: nothing there can be changed */
    GW_UNSUPPORTED, /* this store cannot do that */
    GW_BAD_MESSAGE, /* bytes that do not follow the protocol */
    GW_BAD_ARG,     /* well-formed, but makes no sense */
    GW_BAD_HANDLE,  /* no such open file or folder */
    GW_BAD_NAME,    /* a name that cannot be used */
    GW_TOO_LARGE,   /* over a limit */
    GW_NO_SPACE,
    GW_QUOTA,
    GW_NOT_EMPTY,
    GW_NOT_DIR,
    GW_IS_DIR,
    GW_LOOP, /* too many symbolic links */
    GW_LOCKED,
    GW_NO_MEMORY,
    GW_BUSY, /* cannot be done without waiting; or used up for the moment */
    GW_TIMEOUT,
    GW_IO,        /* a disk or a connection failed */
    GW_UPSTREAM,  /* a remote server answered with an error or with nonsense */
    GW_CHANGED,   /* the object is no longer the one that was opened */
    GW_CANCELLED, /* never seen by a done callback */
    GW_CONFIG,    /* the configuration is wrong */
    GW_INTERNAL,
    GW_ERR_COUNT
};

/* Words for a person. Never a secret, never an internal URL where it may reach a client. */
struct gw_errmsg {
    char text[512];
};

/* "not_found" and the like: for logs. Never NULL. */
const char *gw_err_name(enum gw_err e);
/* "no such file" and the like: for a client when nothing better is known. Never NULL. */
const char *gw_err_text(enum gw_err e);
enum gw_err gw_err_from_errno(int err);
/* Formats into *m (m may be NULL) and returns e. */
enum gw_err gw_err_set(struct gw_errmsg *m, enum gw_err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
