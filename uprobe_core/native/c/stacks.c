/* User stacks: see stacks.h. */
#include "stacks.h"

#include <string.h>

#include "allocate.h"
#include "engine.h"
#include "hit.h"
#include "source.h"

enum { FIRST_STEPS = 256, MOST_STEPS = 1 << 16, MOST_SPAN = 256 };

void up_stacks_deinit(struct up_stacks *stacks)
{
	free(stacks->steps);
	free(stacks->saved);
	stacks->steps = NULL;
	stacks->saved = NULL;
	stacks->used = stacks->mask = stacks->saved_used = stacks->saved_room = 0;
}

void up_stacks_forget(struct up_stacks *stacks)
{
	if (stacks->used)
		memset(stacks->steps, 0, (stacks->mask + (size_t)1) * sizeof(*stacks->steps));
	stacks->used = stacks->saved_used = 0;
}

/* --- the table of steps ------------------------------------------------------------------ */

/* The step's place in a table, which is free if it is not there. */
static struct up_step *place_of(struct up_step *steps, uint32_t mask, uint64_t pc, uint32_t pid, bool after_call)
{
	uint64_t hash = (pc * 2 + after_call + ((uint64_t)pid << 48)) * UINT64_C(0x9E3779B97F4A7C15);
	uint32_t at = (uint32_t)(hash >> 32) & mask;

	while (steps[at].frame && (steps[at].pc != pc || steps[at].pid != pid || steps[at].after_call != after_call))
		at = (at + 1) & mask;
	return &steps[at];
}

static bool make_room_for_step(struct up_stacks *stacks)
{
	uint32_t room = stacks->steps ? stacks->mask + 1 : 0;

	if (room && stacks->used < room / 2)
		return true;
	if (stacks->used >= MOST_STEPS) {
		up_stacks_forget(stacks);
		return true;
	}
	room = room ? room * 2 : FIRST_STEPS;
	struct up_step *steps = up_allocate_zeroed(room, sizeof(*steps));
	if (!steps)
		return false;
	for (uint32_t i = 0; stacks->steps && i <= stacks->mask; i++) {
		const struct up_step *step = &stacks->steps[i];
		if (step->frame)
			*place_of(steps, room - 1, step->pc, step->pid, step->after_call) = *step;
	}
	free(stacks->steps);
	stacks->steps = steps;
	stacks->mask = room - 1;
	return true;
}

static bool make_room_for_saved(struct up_stacks *stacks)
{
	if (stacks->saved_room - stacks->saved_used >= UP_FOLLOWED_MAX)
		return true;
	uint32_t room = stacks->saved_room ? stacks->saved_room * 2 : 8 * UP_FOLLOWED_MAX;
	struct up_saved *saved = up_reallocate(stacks->saved, room * sizeof(*saved));
	if (!saved)
		return false;
	stacks->saved = saved;
	stacks->saved_room = room;
	return true;
}

static bool is_valid(const struct up_stacks *stacks, const struct up_step *step, const struct up_saved *saved)
{
	if (!step->frame || step->base >= stacks->count || step->pc_from >= stacks->count ||
	    step->saved > UP_FOLLOWED_MAX)
		return false;
	for (unsigned i = 0; i < step->saved; i++)
		if (saved[i].reg >= stacks->count || saved[i].where < UP_IN_MEMORY || saved[i].where > UP_NOWHERE ||
		    (saved[i].where == UP_IN_REGISTER && (uint64_t)saved[i].value >= stacks->count))
			return false;
	return true;
}

/* Registers are saved close together: they are read at once. */
static void find_span(struct up_step *step, const struct up_saved *saved)
{
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (unsigned i = 0; i < step->saved; i++) {
		if (saved[i].where == UP_IN_MEMORY && saved[i].value < low)
			low = saved[i].value;
		if (saved[i].where == UP_IN_MEMORY && saved[i].value > high)
			high = saved[i].value;
	}
	step->low = low;
	step->span = 0;
	if (low <= high && (uint64_t)high - (uint64_t)low <= MOST_SPAN - sizeof(uint64_t))
		step->span = (uint32_t)((uint64_t)high - (uint64_t)low + sizeof(uint64_t));
}

/* What is known of pc, asked for outside at first sight; NULL: that failed. */
static const struct up_step *step_at(struct up_stacks *stacks, uint64_t pc, uint32_t pid, bool after_call)
{
	struct up_step *place = stacks->steps ? place_of(stacks->steps, stacks->mask, pc, pid, after_call) : NULL;

	if (place && place->frame)
		return place;
	if (!make_room_for_step(stacks) || !make_room_for_saved(stacks))
		return NULL;
	struct up_step step = {0};
	struct up_saved saved[UP_FOLLOWED_MAX];
	if (!stacks->find(stacks->context, pc, after_call, &step, saved) || !is_valid(stacks, &step, saved))
		return NULL;
	step.pc = pc;
	step.pid = pid;
	step.after_call = after_call;
	step.saved_at = stacks->saved_used;
	find_span(&step, saved);
	memcpy(stacks->saved + stacks->saved_used, saved, step.saved * sizeof(*saved));
	stacks->saved_used += step.saved;
	stacks->used++;
	place = place_of(stacks->steps, stacks->mask, pc, pid, after_call);
	*place = step;
	return place;
}

/* --- the walk ------------------------------------------------------------------------------ */

struct walk {
	const struct up_stacks *stacks;
	const struct up_hit *hit;
	uint64_t trampoline;	/* 0: returns are not hijacked */
	uint64_t pc;
	bool after_call;
	uint64_t registers[UP_FOLLOWED_MAX];
};

bool up_real_return(const struct up_task *task, uint64_t sp, uint64_t *ret)
{
	for (unsigned i = task->pending.count; i-- > 0;) {
		if (task->pending.items[i].sp == sp) {
			*ret = task->pending.items[i].return_address;
			return true;
		}
	}
	return false;
}

/* The registers of the caller; false: there is none, or they cannot be read. */
static bool registers_above(const struct walk *walk, const struct up_step *step, uint64_t *ret)
{
	const struct up_stacks *stacks = walk->stacks;
	const struct up_source *source = walk->hit->source;
	uint64_t cfa = walk->registers[step->base] + (uint64_t)step->offset;

	char near[MOST_SPAN];
	bool is_near = step->span && up_read_exactly(source, cfa + (uint64_t)step->low, near, step->span);

	memcpy(ret, walk->registers, stacks->count * sizeof(*ret));
	ret[stacks->sp] = cfa;
	for (const struct up_saved *saved = stacks->saved + step->saved_at, *end = saved + step->saved; saved < end;
	     saved++) {
		uint64_t at = cfa + (uint64_t)saved->value;
		if (saved->where == UP_IN_REGISTER)
			ret[saved->reg] = walk->registers[saved->value];
		else if (saved->where == UP_IS_VALUE)
			ret[saved->reg] = at;
		else if (saved->where == UP_IN_MEMORY && is_near)
			memcpy(&ret[saved->reg], near + (saved->value - step->low), sizeof(*ret));
		else if (saved->where == UP_IN_MEMORY) {
			if (!up_read_exactly(source, at, &ret[saved->reg], sizeof(*ret)))
				return false;
		} else if (saved->reg == step->pc_from)
			return false;
	}
	return true;
}

/* Goes to the frame above the one that step is about; false: there is none. */
static bool go_up(struct walk *walk, const struct up_step *step)
{
	const struct up_stacks *stacks = walk->stacks;
	bool interrupted = step->flags & UP_STEP_INTERRUPTED;
	uint64_t above[UP_FOLLOWED_MAX], below_sp = walk->registers[stacks->sp];

	if (!(step->flags & UP_STEP_LEADS_ON) || !registers_above(walk, step, above))
		return false;
	uint64_t pc = above[step->pc_from], sp = above[stacks->sp];
	if (walk->trampoline && pc == walk->trampoline && !up_real_return(walk->hit->task, sp, &pc))
		return false;
	pc &= stacks->code_mask;
	if ((!interrupted && (!pc || sp < below_sp)) || (pc == walk->pc && sp == below_sp))
		return false;
	memcpy(walk->registers, above, stacks->count * sizeof(*above));
	walk->pc = pc;
	walk->after_call = !interrupted;
	return true;
}

static unsigned walk_up(struct up_engine *engine, const struct up_hit *hit, unsigned depth, uint32_t *ret)
{
	struct up_stacks *stacks = &engine->stacks;
	struct walk walk = {stacks, hit, engine->trampoline, hit->block ? hit->block : hit->pc, false, {0}};
	unsigned count = 0;

	if (!stacks->find || !hit->task || depth > UP_STACK_MAX)
		return 0;
	for (unsigned i = 0; i < stacks->count; i++)
		walk.registers[i] = up_register(hit, i);
	while (count < depth) {
		const struct up_step *step = step_at(stacks, walk.pc, hit->task->pid, walk.after_call);
		if (!step)
			return 0;
		if (walk.after_call && !(step->flags & UP_STEP_IS_CODE))
			break;
		ret[count++] = step->frame - 1;
		if (step->flags & UP_STEP_ASKS)
			return stacks->walk(stacks->context, hit, depth, ret);
		if (!go_up(&walk, step))
			break;
	}
	return count;
}

/* A sample's callers are those of its block; the innermost frame is its own. */
unsigned up_stack(struct up_engine *engine, const struct up_hit *hit, unsigned depth, uint32_t *ret)
{
	unsigned count = walk_up(engine, hit, depth, ret);

	if (count && hit->block && hit->block != hit->pc) {
		const struct up_step *step = step_at(&engine->stacks, hit->pc, hit->task->pid, false);
		if (step)
			ret[0] = step->frame - 1;
	}
	return count;
}
