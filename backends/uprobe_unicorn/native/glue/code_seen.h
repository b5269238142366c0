/* Which code was executed: each block is noted when the emulator meets it first. */
#ifndef UPROBE_CODE_SEEN_H
#define UPROBE_CODE_SEEN_H

#include "emulator.h"

struct seen_block {
	uint64_t pc, size;	/* bytes */
};

enum { SEEN_FILTER = 1 << 12 };

struct code_seen {
	struct seen_block *blocks;	/* since they were taken last */
	size_t count, room;
	bool full;			/* some had no room */
	struct seen_block filter[SEEN_FILTER];	/* noted lately, so that they are not again */
};

/* Notes blocks from now on; false: out of memory. */
bool code_seen_begin(struct glue *glue);
void code_seen_end(struct glue *glue);
/* Nothing is noted any more, and may be once more. */
void code_seen_clear(struct code_seen *seen);
/* The block that was noted last was left before pc by a fault.  Answers whether it had been new. */
bool code_seen_cut(struct code_seen *seen, uint64_t pc);

#endif
