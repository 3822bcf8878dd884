/*
 * The stderr of a program, line by line in the log (event "program_stderr"), as long as anybody
 * holds its other end or child_stderr_end() is called. It may say CHILD_STDERR_LINES a second; what
 * it writes beyond that waits in its pipe, and the program with it.
 */
#ifndef GATEWAY_IO_CHILD_STDERR_H
#define GATEWAY_IO_CHILD_STDERR_H

#include "gateway/io/loop.h"

#define CHILD_STDERR_LINES 100u

struct child_stderr;

/* Takes fd, the end of a pipe to read from. Copies name. Errors: none; fd is closed if need be. */
struct child_stderr *child_stderr_new(struct loop *l, int fd, const char *name, int pid);
/* The program has ended: logs what is in the pipe, a second's worth at most, and closes it. */
void child_stderr_end(struct child_stderr **ep);

#endif
