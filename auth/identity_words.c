#include "auth/identity_words.h"

const struct identity_perm_word identity_perm_words[] = {
    {"*", PERM_ALL},
    {"list", PERM_LIST},
    {"download", PERM_DOWNLOAD},
    {"upload", PERM_UPLOAD},
    {"overwrite", PERM_OVERWRITE},
    {"delete", PERM_DELETE_FILES | PERM_DELETE_DIRS},
    {"delete_files", PERM_DELETE_FILES},
    {"delete_dirs", PERM_DELETE_DIRS},
    {"rename", PERM_RENAME_FILES | PERM_RENAME_DIRS},
    {"rename_files", PERM_RENAME_FILES},
    {"rename_dirs", PERM_RENAME_DIRS},
    {"create_dirs", PERM_CREATE_DIRS},
    {"create_symlinks", PERM_CREATE_SYMLINKS},
    {"chmod", PERM_CHMOD},
    {"chown", PERM_CHOWN},
    {"chtimes", PERM_CHTIMES},
    {"copy", PERM_COPY},
    {NULL, 0},
};

const char *const identity_partial_words[IDENTITY_NPARTIAL] = {
    [IDENTITY_PARTIAL_DISCARD] = "discard",
    [IDENTITY_PARTIAL_KEEP] = "keep",
    [IDENTITY_PARTIAL_RESUME] = "resume",
};
