/*
 * The open files and folders of a session. A handle on the wire is a slot and 64 random bits: one
 * that was closed, guessed, or given to another session finds nothing.
 */
#ifndef GATEWAY_SFTP_HANDLES_H
#define GATEWAY_SFTP_HANDLES_H

#include "backends/fs.h"
#include "gateway/base/list.h"

#define HANDLES_WIRE_BYTES 12u

struct handle {
    struct list node;
    uint32_t slot;
    uint64_t secret;
    char *path;
    struct fs_file *file; /* one of file and dir, NULL while it is being closed */
    struct fs_dir *dir;
    uint32_t flags;     /* FS_READ ...; 0 for a folder */
    enum gw_err broken; /* why a write failed: what is there must not be committed */
    uint64_t bytes_read, bytes_written;
    uint64_t opened_ms;

    /* A folder: entries that came with a batch and did not fit the answer, encoded, each after its
     * uint32 length. */
    struct gw_buf entries;
    size_t entries_pos;
    bool dots_sent, at_end;
};

struct handles {
    struct list open; /* in order of opening */
    struct handle **slots;
    uint32_t nslots, max;
    uint32_t count; /* the slots that are taken, and the places that are */
};

void handles_init(struct handles *hs, uint32_t max);
/* Every handle must be gone. */
void handles_free(struct handles *hs);
/* A place for a handle to come; false = too many. Ends in handles_add() or handles_give_back(). */
bool handles_take_place(struct handles *hs);
void handles_give_back(struct handles *hs);
/* Copies path; file and dir are then set by the caller. Errors: NULL: no randomness to be had (the
 * place is still taken). */
struct handle *handles_add(struct handles *hs, const char *path);
/* What the wire says, or NULL. */
struct handle *handles_find(const struct handles *hs, struct gw_span wire);
void handles_wire(const struct handle *h, uint8_t out[HANDLES_WIRE_BYTES]);
/* The handle that was opened last for writing to path, or NULL. */
struct handle *handles_writer(const struct handles *hs, const char *path);
/* handles_find() and handles_writer() see it no more, the place is still taken. */
void handles_hide(struct handles *hs, struct handle *h);
/* Hidden or not. Its file and folder must be gone. */
void handles_remove(struct handles *hs, struct handle **hp);

#endif
