/* Which code was executed, and how often: each block is counted when it is entered. */
#ifndef UPROBE_CODE_SEEN_H
#define UPROBE_CODE_SEEN_H

#include "emulator.h"
#include "tally.h"

enum { NO_TRAP = 1 };	/* no instruction lies there */

struct code_seen {
	struct tally_keeper keeper;
	uint32_t count;			/* of its tallies */
	uint32_t *table;		/* their numbers by hash of pc; 0: free */
	size_t room;			/* of table; a power of two */
	uint32_t own_last;
	uint64_t trapped;		/* where the last run ended at a breakpoint; NO_TRAP: nowhere, or it was done */
	bool is_own;			/* tallies are ours, since translated code does not count by itself */
};

/* Counts blocks from now on; false: out of memory, or the emulator refused its hook. */
bool code_seen_begin(struct glue *glue);
/* Translated code must not run any more. */
void code_seen_end(struct glue *glue);
/* A block of the program's, or one of ours, is entered. */
void code_seen_enter(struct glue *glue, uint64_t pc, unsigned size);
/* The run from there has ended, and so many instructions of the block that was entered last are ahead.
 * A breakpoint stands for the instruction that it is over, once: one that was held comes again. */
void code_seen_leave(struct glue *glue, uint64_t from, uint64_t ahead);
/* The next block at or after number at that begins in [start, end) and was entered, NULL: there is none. */
struct tally *code_seen_next(const struct code_seen *seen, size_t *at, uint64_t start, uint64_t end);

#endif
