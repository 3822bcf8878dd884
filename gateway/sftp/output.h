/*
 * The replies that wait to be sent: one contiguous buffer, and what is promised to requests under
 * way. A request is taken only when its answer has room, so an answer never finds the buffer full.
 */
#ifndef GATEWAY_SFTP_OUTPUT_H
#define GATEWAY_SFTP_OUTPUT_H

#include "gateway/base/buf.h"

struct output {
    struct gw_buf b;
    size_t head;     /* what is before it was sent */
    size_t promised; /* to answers that are not written yet */
};

void output_init(struct output *o, size_t max);
void output_free(struct output *o);
/* Gives the memory back; only when nothing is unsent. */
void output_trim(struct output *o);
/* Room for an answer of at most n bytes, kept until output_settle(). False = not now. */
bool output_promise(struct output *o, size_t n);
void output_settle(struct output *o, size_t n);
/* The writer for an answer of at most n bytes that were promised. */
struct gw_buf *output_writer(struct output *o, size_t n);
struct gw_span output_unsent(const struct output *o);
void output_sent(struct output *o, size_t n);

#endif
