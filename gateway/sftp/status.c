#include "gateway/sftp/status.h"

#include <stddef.h>

/* best: the most precise code, of any version; older: where best is not known yet. */
static const struct {
    uint32_t best, older;
} codes[GW_ERR_COUNT] = {
    [GW_OK] = {FX_OK, FX_OK},
    [GW_EOF] = {FX_EOF, FX_EOF},
    [GW_NOT_FOUND] = {FX_NO_SUCH_FILE, FX_NO_SUCH_FILE},
    [GW_NO_PATH] = {FX_NO_SUCH_PATH, FX_NO_SUCH_FILE},
    [GW_EXISTS] = {FX_FILE_ALREADY_EXISTS, FX_FAILURE},
    [GW_DENIED] = {FX_PERMISSION_DENIED, FX_PERMISSION_DENIED},
    [GW_READ_ONLY] = {FX_WRITE_PROTECT, FX_PERMISSION_DENIED},
    [GW_UNSUPPORTED] = {FX_OP_UNSUPPORTED, FX_OP_UNSUPPORTED},
    [GW_BAD_MESSAGE] = {FX_BAD_MESSAGE, FX_BAD_MESSAGE},
    [GW_BAD_ARG] = {FX_INVALID_PARAMETER, FX_FAILURE},
    [GW_BAD_HANDLE] = {FX_INVALID_HANDLE, FX_FAILURE},
    [GW_BAD_NAME] = {FX_INVALID_FILENAME, FX_FAILURE},
    [GW_TOO_LARGE] = {FX_FAILURE, FX_FAILURE},
    [GW_NO_SPACE] = {FX_NO_SPACE_ON_FILESYSTEM, FX_FAILURE},
    [GW_QUOTA] = {FX_QUOTA_EXCEEDED, FX_FAILURE},
    [GW_NOT_EMPTY] = {FX_DIR_NOT_EMPTY, FX_FAILURE},
    /* OpenSSH's server says NO_SUCH_FILE for "file/x", and "does it exist" means exactly that. */
    [GW_NOT_DIR] = {FX_NOT_A_DIRECTORY, FX_NO_SUCH_FILE},
    [GW_IS_DIR] = {FX_FILE_IS_A_DIRECTORY, FX_FAILURE},
    [GW_LOOP] = {FX_LINK_LOOP, FX_FAILURE},
    [GW_LOCKED] = {FX_LOCK_CONFLICT, FX_FAILURE},
    [GW_NO_MEMORY] = {FX_FAILURE, FX_FAILURE},
    [GW_BUSY] = {FX_FAILURE, FX_FAILURE},
    [GW_TIMEOUT] = {FX_FAILURE, FX_FAILURE},
    [GW_IO] = {FX_FAILURE, FX_FAILURE},
    [GW_UPSTREAM] = {FX_FAILURE, FX_FAILURE},
    [GW_CHANGED] = {FX_FAILURE, FX_FAILURE},
    [GW_CANCELLED] = {FX_FAILURE, FX_FAILURE},
    [GW_CONFIG] = {FX_FAILURE, FX_FAILURE},
    [GW_INTERNAL] = {FX_FAILURE, FX_FAILURE},
};

uint32_t status_of(enum gw_err e, uint32_t version)
{
    static const uint32_t highest[] = {
        [3] = FX_OP_UNSUPPORTED, [4] = 13, [5] = FX_LOCK_CONFLICT, [6] = 31};
    if ((unsigned)e >= GW_ERR_COUNT)
        return FX_FAILURE;
    uint32_t limit = version < 3 ? highest[3] : highest[version > 6 ? 6 : version];
    return codes[e].best <= limit ? codes[e].best : codes[e].older;
}

const char *status_text(enum gw_err e, const char *text)
{
    return text != NULL && text[0] != '\0' ? text : gw_err_text(e);
}
