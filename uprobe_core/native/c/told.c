/*
 * What was counted of calls of functions that call themselves: PendingReturn.told of probes/utask.py.
 *
 * It is kept at the outermost call and not asked of it, since it may never return, or not be counted.
 */
#include "told.h"

#include "allocate.h"

/* The newest of the first count calls of pending of the function that call is of; NULL: it is in none. */
static struct up_call *around_of(struct up_calls *pending, unsigned count, const struct up_call *call)
{
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
	free(before);
	told->next = call->told;
	call->told = told;
}

bool up_tell(struct up_calls *pending, struct up_call *call, const void *who, uint64_t latency, uint64_t *once)
{
	struct up_call *around = around_of(pending, pending->count, call);
	struct up_told *told = take_out(call, who);

	*once = told && told->time < latency ? latency - told->time : told ? 0 : latency;
	if (!around) {
		free(told);
		return true;
	}
	if (!told)
		told = up_allocate(sizeof(*told));
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
		free(told);
	}
}
