#include "gateway/sftp/rows.h"

#include "gateway/sftp/run.h"

#define REPLY_NAME (2u * (FS_PATH_MAX + 4u) + ATTRS_ROOM + 32u)
#define ATTRS_ROOM 64u

static uint32_t open_perms(const struct wire_req *q)
{
    uint32_t flags = q->u.open.flags;
    uint32_t perms = 0;
    if (flags & FS_READ)
        perms |= PERM_DOWNLOAD;
    if (flags & (FS_WRITE | FS_CREATE | FS_TRUNC))
        perms |= PERM_UPLOAD;
    /* Only a file that is there already can be meant. With FS_CREATE it may be a new one: then
     * run_open() sees to it that it is, where overwriting is not granted. */
    if ((flags & (FS_WRITE | FS_TRUNC)) && !(flags & FS_CREATE))
        perms |= PERM_OVERWRITE;
    return perms;
}

static uint32_t attr_perms(const struct wire_req *q)
{
    uint32_t perms = 0;
    if (q->u.attr.set & FS_ATTR_MODE)
        perms |= PERM_CHMOD;
    if (q->u.attr.set & FS_ATTR_OWNER)
        perms |= PERM_CHOWN;
    if (q->u.attr.set & (FS_ATTR_ATIME | FS_ATTR_MTIME))
        perms |= PERM_CHTIMES;
    return perms;
}

static uint32_t setstat_perms(const struct wire_req *q)
{
    /* Setting nothing only tells whether the path exists. */
    if (q->u.attr.set == 0)
        return PERM_LIST;
    return attr_perms(q) | (q->u.attr.set & FS_ATTR_SIZE ? (uint32_t)PERM_OVERWRITE : 0u);
}

/*
 * Permissions are SFTPGo's words with SFTPGo's meaning: names are made, renamed and removed with
 * the rights of the folder that they are in; OPEN for writing needs upload, and overwrite as well
 * where the file exists; truncation by path is overwriting. REALPATH and what looks at the session
 * alone need none. What works on a handle was allowed when it was opened, but for attributes.
 */
static const struct rows_row requests[] = {
    {.type = FXP_OPEN,
     .name = "open",
     .shape = WIRE_OPEN,
     .changes = true,
     .perms_of = open_perms,
     .wish = PERM_OVERWRITE | PERM_CHMOD | PERM_CHOWN | PERM_CHTIMES,
     .run = run_open},
    {.type = FXP_CLOSE,
     .name = "close",
     .shape = WIRE_HANDLE,
     .order = ORDER_ALONE,
     .changes = true,
     .run = run_close},
    {.type = FXP_READ, .name = "read", .shape = WIRE_READ, .order = ORDER_READ, .run = run_read},
    {.type = FXP_WRITE,
     .name = "write",
     .shape = WIRE_WRITE,
     .order = ORDER_WRITE,
     .run = run_write},
    {.type = FXP_LSTAT,
     .name = "lstat",
     .shape = WIRE_PATH,
     .follows_writer = true,
     .perms = PERM_LIST,
     .run = run_lstat},
    {.type = FXP_FSTAT,
     .name = "fstat",
     .shape = WIRE_HANDLE,
     .order = ORDER_READ,
     .run = run_fstat},
    {.type = FXP_SETSTAT,
     .name = "setstat",
     .shape = WIRE_PATH_ATTR,
     .order = ORDER_ALONE,
     .changes = true,
     .follows_writer = true,
     .perms_of = setstat_perms,
     .run = run_setstat},
    {.type = FXP_FSETSTAT,
     .name = "fsetstat",
     .shape = WIRE_HANDLE_ATTR,
     .order = ORDER_ALONE,
     .perms_of = attr_perms,
     .run = run_fsetstat},
    {.type = FXP_OPENDIR,
     .name = "opendir",
     .shape = WIRE_PATH,
     .perms = PERM_LIST,
     .run = run_opendir},
    {.type = FXP_READDIR,
     .name = "readdir",
     .shape = WIRE_HANDLE,
     .order = ORDER_ALONE,
     .reply_max = RUN_READDIR_BYTES_MAX,
     .run = run_readdir},
    {.type = FXP_REMOVE,
     .name = "remove",
     .shape = WIRE_PATH,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .perms = PERM_DELETE_FILES,
     .run = run_remove},
    {.type = FXP_MKDIR,
     .name = "mkdir",
     .shape = WIRE_PATH_ATTR,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .perms = PERM_CREATE_DIRS,
     .wish = PERM_CHMOD | PERM_CHOWN | PERM_CHTIMES,
     .run = run_mkdir},
    {.type = FXP_RMDIR,
     .name = "rmdir",
     .shape = WIRE_PATH,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .perms = PERM_DELETE_DIRS,
     .run = run_rmdir},
    {.type = FXP_REALPATH,
     .name = "realpath",
     .shape = WIRE_PATH,
     .reply_max = REPLY_NAME,
     .run = run_realpath},
    {.type = FXP_STAT,
     .name = "stat",
     .shape = WIRE_PATH,
     .follows_writer = true,
     .perms = PERM_LIST,
     .run = run_stat},
    {.type = FXP_RENAME,
     .name = "rename",
     .shape = WIRE_PATHS,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .any = PERM_RENAME_FILES | PERM_RENAME_DIRS,
     .wish = PERM_RENAME_FILES | PERM_RENAME_DIRS,
     .run = run_rename},
    {.type = FXP_READLINK,
     .name = "readlink",
     .shape = WIRE_PATH,
     .perms = PERM_LIST,
     .reply_max = REPLY_NAME,
     .run = run_readlink},
    {.type = FXP_SYMLINK,
     .name = "symlink",
     .shape = WIRE_SYMLINK,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .perms = PERM_CREATE_SYMLINKS,
     .run = run_symlink},
};

static const struct rows_row extensions[] = {
    {.name = "posix-rename@openssh.com",
     .event = "rename",
     .announce = "1",
     .shape = WIRE_PATHS,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .any = PERM_RENAME_FILES | PERM_RENAME_DIRS,
     .wish = PERM_RENAME_FILES | PERM_RENAME_DIRS | PERM_OVERWRITE,
     .run = run_posix_rename},
    {.name = "statvfs@openssh.com",
     .announce = "2",
     .shape = WIRE_PATH,
     .perms = PERM_LIST,
     .run = run_statvfs},
    {.name = "fstatvfs@openssh.com",
     .announce = "2",
     .shape = WIRE_HANDLE,
     .order = ORDER_READ,
     .run = run_fstatvfs},
    /* A second name gives whatever its own folder allows: both folders must allow links. */
    {.name = "hardlink@openssh.com",
     .event = "hardlink",
     .announce = "1",
     .shape = WIRE_PATHS,
     .changes = true,
     .at = ROWS_AT_PARENT,
     .perms = PERM_CREATE_SYMLINKS,
     .run = run_hardlink},
    {.name = "fsync@openssh.com",
     .announce = "1",
     .shape = WIRE_HANDLE,
     .order = ORDER_ALONE,
     .run = run_fsync},
    {.name = "lsetstat@openssh.com",
     .announce = "1",
     .shape = WIRE_PATH_ATTR,
     .order = ORDER_ALONE,
     .changes = true,
     .follows_writer = true,
     .perms_of = setstat_perms,
     .run = run_lsetstat},
    {.name = "limits@openssh.com", .announce = "1", .shape = WIRE_NOTHING, .run = run_limits},
    {.name = "expand-path@openssh.com",
     .announce = "1",
     .shape = WIRE_TEXT,
     .reply_max = REPLY_NAME,
     .run = run_expand_path},
    {.name = "copy-data",
     .announce = "1",
     .shape = WIRE_COPY,
     .order = ORDER_READ,
     .perms = PERM_COPY,
     .run = run_copy_data},
    {.name = "home-directory",
     .announce = "1",
     .shape = WIRE_TEXT,
     .reply_max = REPLY_NAME,
     .run = run_home_directory},
    {.name = "users-groups-by-id@openssh.com",
     .announce = "1",
     .shape = WIRE_IDS,
     .reply_max = RUN_IDS_MAX * 4u + 32u,
     .run = run_users_groups_by_id},
    {.name = "vendor-id", .shape = WIRE_NOTHING, .run = run_vendor_id},
    {.name = "version-select", .shape = WIRE_TEXT, .run = run_version_select},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct rows_row *rows_find(uint8_t type, uint32_t version)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        if (requests[i].type == type && version >= requests[i].min_version)
            return &requests[i];
    }
    return NULL;
}

const struct rows_row *rows_find_extension(struct gw_span name, uint32_t version)
{
    for (size_t i = 0; i < COUNT(extensions); i++) {
        if (gw_span_eq(name, extensions[i].name) && version >= extensions[i].min_version)
            return &extensions[i];
    }
    return NULL;
}

static void announce_vendor(struct gw_buf *b)
{
    gw_buf_put_cstr(b, "vendor-id");
    size_t mark = gw_buf_begin_len(b);
    gw_buf_put_cstr(b, "postern");
    gw_buf_put_cstr(b, "postern");
    gw_buf_put_cstr(b, POSTERN_VERSION);
    gw_buf_put_u64(b, 0);
    gw_buf_end_len(b, mark);
}

void rows_announce(struct gw_buf *b, uint32_t version)
{
    for (size_t i = 0; i < COUNT(extensions); i++) {
        if (extensions[i].announce == NULL || version < extensions[i].min_version)
            continue;
        gw_buf_put_cstr(b, extensions[i].name);
        gw_buf_put_cstr(b, extensions[i].announce);
    }
    gw_buf_put_cstr(b, "versions");
    gw_buf_put_cstr(b, "3");
    announce_vendor(b);
}
