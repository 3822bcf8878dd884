/*
 * What each request does; rows.c names them. All are called with handles and paths bound,
 * permissions checked, and nothing before them in the way.
 */
#ifndef GATEWAY_SFTP_RUN_H
#define GATEWAY_SFTP_RUN_H

#include "gateway/sftp/request.h"

#define RUN_READDIR_BYTES_MAX (64u * 1024u) /* of one NAME packet */
#define RUN_IDS_MAX           4096u         /* of one users-groups-by-id */

/* run_file.c */
void run_open(struct request *r);
void run_close(struct request *r);
void run_read(struct request *r);
void run_write(struct request *r);
void run_fstat(struct request *r);
void run_fsetstat(struct request *r);
void run_fsync(struct request *r);
void run_copy_data(struct request *r);
/* The one line of a file's end: "close" or "partial". */
void run_log_end(struct sftpd *s, const char *event, const struct handle *h, const char *result);
/* The end of a handle that no CLOSE asked for: aborts, and logs what was lost. */
void run_abandon(struct sftpd *s, struct handle **hp);

/* run_dir.c */
void run_opendir(struct request *r);
void run_readdir(struct request *r);

/* run_path.c */
void run_stat(struct request *r);
void run_lstat(struct request *r);
void run_setstat(struct request *r);
void run_lsetstat(struct request *r);
void run_remove(struct request *r);
void run_mkdir(struct request *r);
void run_rmdir(struct request *r);
void run_rename(struct request *r);
void run_posix_rename(struct request *r);
void run_readlink(struct request *r);
void run_symlink(struct request *r);
void run_hardlink(struct request *r);
void run_statvfs(struct request *r);
void run_fstatvfs(struct request *r);
/* Answer with attributes, at once where the store has them at hand. */
void run_attrs_of_file(struct request *r, struct fs_file *f);
void run_attrs_of_path(struct request *r, const char *path, bool follow);

/* run_session.c */
void run_realpath(struct request *r);
void run_expand_path(struct request *r);
void run_home_directory(struct request *r);
void run_limits(struct request *r);
void run_users_groups_by_id(struct request *r);
void run_vendor_id(struct request *r);
void run_version_select(struct request *r);

#endif
