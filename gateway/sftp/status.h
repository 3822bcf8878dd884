/* An error as an SFTP status. The only place where one becomes the other. */
#ifndef GATEWAY_SFTP_STATUS_H
#define GATEWAY_SFTP_STATUS_H

#include <stdint.h>

#include "gateway/base/err.h"

enum {
    FX_OK = 0,
    FX_EOF = 1,
    FX_NO_SUCH_FILE = 2,
    FX_PERMISSION_DENIED = 3,
    FX_FAILURE = 4,
    FX_BAD_MESSAGE = 5,
    FX_OP_UNSUPPORTED = 8,
    FX_INVALID_HANDLE = 9, /* from here on version 4 */
    FX_NO_SUCH_PATH = 10,
    FX_FILE_ALREADY_EXISTS = 11,
    FX_WRITE_PROTECT = 12,
    FX_NO_SPACE_ON_FILESYSTEM = 14, /* version 5 */
    FX_QUOTA_EXCEEDED = 15,
    FX_LOCK_CONFLICT = 17,
    FX_DIR_NOT_EMPTY = 18, /* version 6 */
    FX_NOT_A_DIRECTORY = 19,
    FX_INVALID_FILENAME = 20,
    FX_LINK_LOOP = 21,
    FX_INVALID_PARAMETER = 23,
    FX_FILE_IS_A_DIRECTORY = 24,
};

/* The status of e that `version` knows. */
uint32_t status_of(enum gw_err e, uint32_t version);
/* The words that go with it: text, or err's own. */
const char *status_text(enum gw_err e, const char *text);

#endif
