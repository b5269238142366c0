/* Functions that call themselves: who adds up the time of their calls counts none twice. */
#ifndef UPROBE_TOLD_H
#define UPROBE_TOLD_H

#include "calls.h"

/*
 * Of the time of a call, what who has counted at the returns of calls of the same function in it.  Blocks are used
 * again and again, so that a hit allocates nothing.
 */
struct up_told {
	struct up_told *next;	/* of the call, or while it is spare */
	const void *who;
	uint64_t time;	/* ns */
};

/*
 * call returned after latency ns and is out of pending: *once is what who has not counted yet, which now it has.
 * False: out of memory, and nothing was done.
 */
bool up_tell(struct up_calls *pending, struct up_call *call, const void *who, uint64_t latency, uint64_t *once);
/* call is not in the first count of pending any more: what was counted in it was in the one around it. */
void up_told_pass(struct up_calls *pending, unsigned count, struct up_call *call);
void up_told_free(struct up_call *call);
/* Frees the spare blocks. */
void up_told_deinit(struct up_engine *engine);

#endif
