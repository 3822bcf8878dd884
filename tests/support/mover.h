/* A client of a file that has several requests under way, as OpenSSH's has, and knows each byte. */
#ifndef TESTS_SUPPORT_MOVER_H
#define TESTS_SUPPORT_MOVER_H

#include "backends/fs.h"

#define MOVER_NEW       (FS_WRITE | FS_CREATE | FS_TRUNC)
#define MOVER_PIECE_MAX (256u * 1024)

/* Byte `off` of what is moved: cheap, and different wherever two pieces could be mixed up. */
uint8_t mover_byte(uint64_t off);
void mover_fill(uint8_t *to, uint64_t off, size_t n);

struct mover;
struct mover_slot {
    struct mover *m;
    struct op *op;
    uint64_t off;
    size_t len;
};

/* Zeroed, with `reading` and `shuffled` as they are wanted. */
struct mover {
    struct fs_file *f;
    uint64_t size, next;
    size_t piece;
    struct mover_slot slots[64];
    size_t nslots, busy;
    bool reading;
    bool shuffled; /* pieces within a window of 16 come in another order */
    unsigned now;  /* served without waiting */
    enum gw_err err;
    char text[FS_TEXT_MAX];
    uint64_t bad; /* wrong bytes */
};

/* `size` bytes of f, in pieces, up to nslots of them at once. */
void mover_start(struct mover *m, struct fs_file *f, uint64_t size, size_t piece, size_t nslots);
/* Asks for what may be asked for. True: nothing is under way. arg: a mover. */
bool mover_step(void *arg);
void mover_cancel(struct mover *m);
/* From its start to its end; the first error. */
enum gw_err mover_run(struct mover *m, struct fs_file *f, uint64_t size, size_t piece,
                      size_t nslots);

/* One piece, and a whole file: the first step that fails. */
enum gw_err mover_write(struct fs_file *f, uint64_t off, size_t n);
struct sync;
enum gw_err mover_upload(struct fs *fs, const char *path, uint32_t flags, uint64_t size,
                         struct sync *closed);

#endif
