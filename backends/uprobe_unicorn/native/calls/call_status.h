/* Forms of metadata and listings of the host's files. */
#ifndef UPROBE_CALL_STATUS_H
#define UPROBE_CALL_STATUS_H

#include "own_calls.h"

struct stat;

enum { CALL_STAT_BYTES = 128 };

/* What the program sees for a stamp of the host's in *stamp, both ns since 1970; false: Python has to make a cut. */
bool call_dated(const struct call *call, int64_t *stamp);

call_form call_fstat, call_getdents;
/* Answers a call with status at place, which holds CALL_STAT_BYTES; false: its times are not the host's. */
bool call_put_status(struct call *call, const struct stat *status, void *place);

/* The same with the metadata of descriptor fd; place may be NULL, which is Python's. */
bool call_status_of(struct call *call, uint64_t fd, void *place);

#endif
