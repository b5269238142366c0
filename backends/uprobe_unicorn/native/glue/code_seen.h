/* Which code was executed, and how often: each block is counted when it is entered. */
#ifndef UPROBE_CODE_SEEN_H
#define UPROBE_CODE_SEEN_H

#include "emulator.h"

struct seen_block {
	uint64_t pc, size;	/* bytes; 0: a free entry of the table */
	uint64_t times;		/* since they were taken last */
};

struct code_seen {
	struct seen_block *blocks;	/* by hash of pc */
	size_t count, room;		/* a power of two */
	struct seen_block *last;	/* the program's block that was entered last; NULL: none since there is this table */
	bool full;			/* some had no room */
};

/* Counts blocks from now on; false: out of memory, or the emulator refused its hook. */
bool code_seen_begin(struct glue *glue);
void code_seen_end(struct glue *glue);
/* A block of the program's, or one of ours, is entered. */
void code_seen_enter(struct glue *glue, uint64_t pc, unsigned size);
/* The run has ended, and so many instructions of the block that was entered last were not executed. */
void code_seen_leave(struct glue *glue, uint64_t ahead);
/* The next block at or after number at that begins in [start, end) and was entered, NULL: there is none. */
struct seen_block *code_seen_next(const struct code_seen *seen, size_t *at, uint64_t start, uint64_t end);

#endif
