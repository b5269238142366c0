/* The account of executed instructions. */
#include "work.h"

#include <stddef.h>

/*
 * The upper half of *left is 0, or -1 once the emulator was asked to stop; a count that
 * became negative borrows one from it.
 */
static bool is_asked(int32_t left)
{
	return left < 0 && !((left >> 16) == -1 && (int16_t)left < 0);
}

static void put_left(struct work *work, uint16_t left)
{
	*work->left = (int32_t)(left | (is_asked(*work->left) ? 0xffff0000u : 0));
}

void work_init(struct work *work)
{
	work->target = work->sample = UINT64_MAX;
	work->left = &work->own_left;
	work->end = &work->own_end;
}

void work_settle(struct work *work, uint64_t executed)
{
	work->granted = work->seen = executed;
	put_left(work, 0);
}

static void grant(struct work *work, uint64_t executed)
{
	uint64_t until = work->target < work->sample - 1 ? work->target : work->sample - 1;
	uint64_t more = until > executed ? until - executed : 0;

	more = more < MOST_WORK ? more : MOST_WORK;
	put_left(work, (uint16_t)more);
	work->granted = executed + more;
}

void work_start(struct work *work, uint64_t pc, uint64_t target)
{
	work->closing = false;
	work->target = target;
	*work->end = (uint16_t)(pc >> 2);
	grant(work, work_done(work));
}

bool work_refill(struct work *work)
{
	uint64_t executed = work_done(work);

	if (executed > work->target || executed >= work->sample || work->is_wanted(work->context, 0))
		return false;
	grant(work, executed);
	return true;
}

void work_sample(struct work *work, uint64_t number)
{
	work->sample = number;
}

/* Those among the instructions of the block at pc, before which so many were executed, and at the end of which. */
static void take_samples(struct work *work, uint64_t pc, uint64_t before, uint64_t after)
{
	while (after >= work->sample) {
		uint64_t ahead = work->sample > before ? work->sample - before - 1 : 0;
		work->seen = before + ahead;
		work->sample = work->take(work->context, pc, pc + 4 * ahead);
	}
}

void work_ask(struct work *work, uint64_t pc, unsigned size)
{
	uint64_t executed = work_done(work);

	if (work->is_wanted(work->context, pc) || work_is_over(work)) {
		work->stop(work->context, pc);
		return;
	}
	if (executed >= work->sample)
		take_samples(work, pc, executed - size / 4, executed);
	put_left(work, 0);	/* the next block asks again */
	work->granted = executed;
	work->closing = executed > work->target;
	work->branched = work->closing && work->is_branch(work->context, pc + size - 4);
}
