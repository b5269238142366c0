/*
 * What was counted of calls of functions that call themselves: PendingReturn.told of probes/utask.py.
 *
 * It is kept at the outermost call and not asked of it, since it may never return, or not be counted.
 */
#include "told.h"

#include "allocate.h"
#include "site.h"

static struct up_told *take_block(struct up_engine *engine)
{
	struct up_told *told = engine->spare_told;

	if (!told)
		return up_allocate(sizeof(*told));
	engine->spare_told = told->next;
	return told;
}

static void give_block(struct up_engine *engine, struct up_told *told)
{
	if (!told)
		return;
	told->next = engine->spare_told;
	engine->spare_told = told;
}

/*
 * The newest of the first count calls of pending of the function that call is of; NULL: it is in none.
 * On a stack that was switched back to, what it was tail-called in is a suspect.
 */
static struct up_call *around_of(struct up_calls *pending, unsigned count, const struct up_call *call)
{
	struct up_calls *suspects = &call->site->engine->task->suspects;

	for (unsigned i = suspects->count; i-- > 0;)
		if (suspects->items[i].site == call->site && suspects->items[i].sp == call->sp &&
		    suspects->items[i].return_address == call->return_address)
			return &suspects->items[i];
	for (unsigned i = count; i-- > 0;)
		if (pending->items[i].site == call->site)
			return &pending->items[i];
	return NULL;
}

static struct up_told *take_out(struct up_call *call, const void *who)
{
	for (struct up_told **at = &call->told; *at; at = &(*at)->next)
		if ((*at)->who == who) {
			struct up_told *told = *at;
			*at = told->next;
			return told;
		}
	return NULL;
}

/* Adds told to what is kept at call, and takes it over. */
static void add(struct up_call *call, struct up_told *told)
{
	struct up_told *before = take_out(call, told->who);

	if (before)
		told->time += before->time;
	give_block(call->site->engine, before);
	told->next = call->told;
	call->told = told;
}

bool up_tell(struct up_calls *pending, struct up_call *call, const void *who, uint64_t latency, uint64_t *once)
{
	struct up_call *around = around_of(pending, pending->count, call);
	struct up_told *told = take_out(call, who);

	*once = told && told->time < latency ? latency - told->time : told ? 0 : latency;
	if (!around) {
		give_block(call->site->engine, told);
		return true;
	}
	if (!told)
		told = take_block(call->site->engine);
	if (!told)
		return false;
	*told = (struct up_told){.who = who, .time = latency};
	add(around, told);
	return true;
}

void up_told_pass(struct up_calls *pending, unsigned count, struct up_call *call)
{
	struct up_call *around = call->told ? around_of(pending, count, call) : NULL;

	while (around && call->told) {
		struct up_told *told = call->told;
		call->told = told->next;
		add(around, told);
	}
	up_told_free(call);
}

void up_told_free(struct up_call *call)
{
	while (call->told) {
		struct up_told *told = call->told;
		call->told = told->next;
		give_block(call->site->engine, told);
	}
}

void up_told_deinit(struct up_engine *engine)
{
	while (engine->spare_told)
		free(take_block(engine));
}
