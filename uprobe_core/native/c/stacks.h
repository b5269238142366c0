/*
 * User stacks: how each code address leads to its caller, and the walk from frame to frame.
 *
 * stacks/unwind.py is the reference.  What is known of an address comes from outside once; a walk then
 * reads registers and memory only.
 */
#ifndef UPROBE_STACKS_H
#define UPROBE_STACKS_H

#include "numbers.h"

struct up_engine;
struct up_hit;

enum {
	UP_STACK_MAX = 1024,	/* frames of a stack */
	UP_FOLLOWED_MAX = 64,	/* registers that are followed from frame to frame */
};

enum up_where { UP_IN_MEMORY = 1, UP_IS_VALUE, UP_IN_REGISTER, UP_NOWHERE };

/* Where a register of the caller is: in memory at CFA + value, CFA + value itself, in register value. */
struct up_saved {
	int64_t value;
	uint8_t reg, where, pad[6];
};
_Static_assert(sizeof(struct up_saved) == 16, "packed by native/stacks.py");

enum {
	UP_STEP_IS_CODE = 1,	/* else it is no frame, unless it is the innermost one */
	UP_STEP_LEADS_ON = 2,	/* else it has no caller */
	UP_STEP_INTERRUPTED = 4, /* the caller did not call: a signal interrupted it */
	UP_STEP_ASKS = 8,	/* only the reference can compute it */
};

/* What is known of an address: which frame it is, and the way to its caller. */
struct up_step {
	uint64_t pc;
	int64_t offset;		/* CFA = register base + offset */
	uint32_t pid;
	uint32_t frame;		/* its number + 1; 0: this place in the table is free */
	uint32_t saved_at;	/* in the table's saved */
	uint32_t span;		/* bytes from CFA + low on that hold all that is in memory, 0: too many */
	int64_t low;
	uint8_t base, pc_from, saved, flags;
	uint8_t after_call;	/* pc is a return address */
};

struct up_stacks {
	unsigned count, sp;	/* registers 0 to count - 1 are followed; the stack pointer */
	uint64_t code_mask;	/* the bits of a return address that are address */
	struct up_step *steps;
	struct up_saved *saved;
	uint32_t used, mask;
	uint32_t saved_used, saved_room;
	void *context;
	/* Fills in offset, frame, base, pc_from, saved and flags; saved_ret has UP_FOLLOWED_MAX places. */
	bool (*find)(void *context, uint64_t pc, bool after_call, struct up_step *step_ret,
		     struct up_saved *saved_ret);
	/* The reference's walk, from the hit's place. */
	unsigned (*walk)(void *context, const struct up_hit *hit, unsigned depth, uint32_t *ret);
};

void up_stacks_deinit(struct up_stacks *stacks);
/* Something was mapped or unmapped: everything is asked for again. */
void up_stacks_forget(struct up_stacks *stacks);
/* The numbers of at most depth (UP_STACK_MAX) frames at hit, innermost first; 0: they could not be found. */
unsigned up_stack(struct up_engine *engine, const struct up_hit *hit, unsigned depth, uint32_t *ret);
/* Where the function that task entered with sp really returns to; false: no return of it is pending. */
struct up_task;
bool up_real_return(const struct up_task *task, uint64_t sp, uint64_t *ret);

#endif
