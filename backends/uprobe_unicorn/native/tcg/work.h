/*
 * Executed instructions: how many, and when a slice of them is over.
 *
 * A block is counted whole when it is entered; who looks somewhere in it takes off
 * what lies ahead.  A slice ends behind the first branch, taken or not, at which more
 * than its instructions were executed, and before the next block: that depends on what
 * the program executes alone, not on where hooks, pages or slots cut its code into blocks.
 */
#ifndef UPROBE_WORK_H
#define UPROBE_WORK_H

#include <stdbool.h>
#include <stdint.h>

/* Instructions handed out at once: the emulator's own flag is in the upper half of the word that they are counted in. */
enum { MOST_WORK = 0x7fff };

struct work {
	uint64_t granted;	/* executed once *left is 0 */
	uint64_t target;	/* of the slice; UINT64_MAX: it has no end */
	uint64_t seen;		/* executed when somebody last looked */
	volatile int32_t *left;	/* negative: a block must ask before it runs */
	uint16_t *end;		/* where the block that was entered last ends, in words, modulo 2^16 */
	uint64_t sample;	/* the instruction of this number, from 1 on, is one to sample; UINT64_MAX: none is */
	bool closing;		/* the target was passed in the block before */
	bool branched;		/* that ends in a branch */
	int32_t own_left;
	uint16_t own_end;

	void *context;
	/* Whether the block at pc is none of the program's, and counts nothing. */
	bool (*is_free)(void *context, uint64_t pc);
	/* Whether the instruction at address is a branch. */
	bool (*is_branch)(void *context, uint64_t address);
	/* Whether the run has to end before the block at pc, which is the program's. */
	bool (*is_wanted)(void *context, uint64_t pc);
	/* Ends the run before the block at pc, which is about to run. */
	void (*stop)(void *context, uint64_t pc);
	/* The instruction at address, of the block at pc, which is about to run, is the one to sample: of which is next? */
	uint64_t (*take)(void *context, uint64_t pc, uint64_t address);
};

void work_init(struct work *work);
/* Executed before the instruction at pc, which lies in the block that was entered last or ends it. */
static inline uint64_t work_at(const struct work *work, uint64_t pc)
{
	return work->granted - (uint64_t)(int64_t)(int16_t)*work->left - (uint16_t)(*work->end - (uint16_t)(pc >> 2));
}

/* The same when the last block was executed to its end. */
static inline uint64_t work_done(const struct work *work)
{
	return work->granted - (uint64_t)(int64_t)(int16_t)*work->left;
}

/* Whether the slice ended behind the block that was entered last. */
static inline bool work_is_over(const struct work *work)
{
	return work->closing && work->branched;
}

/* Between runs: so many instructions were executed. */
void work_settle(struct work *work, uint64_t executed);
/* A run begins at pc that ends behind the first branch after target instructions. */
void work_start(struct work *work, uint64_t pc, uint64_t target);
/* The instruction of that number is sampled from now on (UINT64_MAX: none). */
void work_sample(struct work *work, uint64_t number);
/* A block of size bytes at pc is entered, where translated code does not count it itself. */
static inline void work_count(struct work *work, uint64_t pc, unsigned size);
/* Hands out more; false: the block that was counted last has to be asked about. */
bool work_refill(struct work *work);
/* The block of size bytes at pc was counted and is about to run with none left: it does, or the run ends. */
void work_ask(struct work *work, uint64_t pc, unsigned size);

static inline void work_count(struct work *work, uint64_t pc, unsigned size)
{
	*work->end = (uint16_t)((pc + size) >> 2);
	*work->left -= (int32_t)(size / 4);
	if (*work->left < 0 && !work_refill(work))
		work_ask(work, pc, size);
}

#endif
