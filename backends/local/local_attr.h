/*
 * Attributes of files on a disk. May block: on the pool.
 * Bits that give a program another's rights (setuid; on files setgid as well) are never set.
 */
#ifndef BACKENDS_LOCAL_LOCAL_ATTR_H
#define BACKENDS_LOCAL_LOCAL_ATTR_H

#include <sys/stat.h>

#include "backends/fs.h"

/* Of `name` in dirfd, links not followed; "" = of dirfd itself. */
enum gw_err local_attr_get(int dirfd, const char *name, struct fs_attr *out);
/* What the kernel holds of fd's file: nobody else is asked. */
enum gw_err local_attr_get_held(int fd, struct fs_attr *out);
/* All but the size; fd may be an O_PATH one. */
enum gw_err local_attr_set(int fd, const struct fs_attr *a);
/* All of it; fd is open for writing where a->set names the size. */
enum gw_err local_attr_set_file(int fd, const struct fs_attr *a);
mode_t local_attr_mode(uint32_t mode, bool is_dir);

#endif
