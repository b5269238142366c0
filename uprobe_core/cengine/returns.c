/*
 * Calls whose return is awaited: WatchReturns of returns.py, for native sites.
 *
 * A return is there when the task is at the return address, SP is what it was
 * at entry and LR still holds the return address (AAPCS64 6.1.1).  pending is
 * sorted: deeper frames, with lower SP, come later.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SUSPECTS = 1024 };

bool up_calls_push(struct up_calls *calls, struct up_call call)
{
	if (calls->count == calls->capacity) {
		unsigned capacity = calls->capacity ? 2 * calls->capacity : 32;
		struct up_call *items = realloc(calls->items, capacity * sizeof(*items));
		if (!items)
			return false;
		calls->items = items;
		calls->capacity = capacity;
	}
	calls->items[calls->count++] = call;
	return true;
}

void up_calls_deinit(struct up_calls *calls)
{
	for (unsigned i = 0; i < calls->count; i++)
		free(calls->items[i].captured);
	free(calls->items);
	memset(calls, 0, sizeof(*calls));
}

static void take_out(struct up_calls *calls, unsigned index)
{
	calls->count--;
	memmove(calls->items + index, calls->items + index + 1, (calls->count - index) * sizeof(*calls->items));
}

static void miss(struct up_call *call, int reason)
{
	for (unsigned i = 0; i < call->site->count; i++)
		if (call->followed >> i & 1)
			call->site->probes[i]->missed[reason]++;
	free(call->captured);
}

/* Frames below sp look gone, unless their stack is another one that will be switched back to. */
static void suspect_below(struct up_task *task, uint64_t sp)
{
	struct up_calls *pending = &task->pending, *suspects = &task->suspects;

	while (pending->count && pending->items[pending->count - 1].sp < sp) {
		struct up_call call = pending->items[--pending->count];
		if (!up_calls_push(suspects, call))
			miss(&call, UP_MISSED_LONGJMP);
	}
	while (suspects->count > MAX_SUSPECTS) {
		miss(&suspects->items[0], UP_MISSED_LONGJMP);
		take_out(suspects, 0);
	}
}

static bool is_same_call(const struct up_call *a, const struct up_call *b)
{
	return a->sp == b->sp && a->return_address == b->return_address && a->site == b->site;
}

/* The same call is made again: its first time was left by longjmp. */
static void settle_suspects(struct up_calls *suspects, const struct up_call *call)
{
	for (unsigned i = suspects->count; i-- > 0;)
		if (is_same_call(&suspects->items[i], call)) {
			miss(&suspects->items[i], UP_MISSED_LONGJMP);
			take_out(suspects, i);
		}
}

/* The same among sorted records, with all that the first time had tail-called: they share its frame. */
static void settle_pending(struct up_calls *pending, const struct up_call *call)
{
	unsigned first = pending->count;

	for (unsigned i = pending->count; i-- > 0 && pending->items[i].sp == call->sp;)
		if (is_same_call(&pending->items[i], call))
			first = i;
	for (unsigned i = pending->count; i-- > first;)
		if (pending->items[i].return_address == call->return_address) {
			miss(&pending->items[i], UP_MISSED_LONGJMP);
			take_out(pending, i);
		}
}

/* The function at site was entered; *ret is where its return has to be watched. */
void up_enter(struct up_site *site, const struct up_source *source, uint64_t followed, uint64_t *captured,
	      uint64_t *ret)
{
	struct up_task *task = site->engine->task;
	struct up_calls *pending = &task->pending;
	const struct up_call *top = pending->count ? pending->items + pending->count - 1 : NULL;
	struct up_call call = {.site = site, .sp = up_source_register(source, UP_SP),
			       .return_address = up_source_register(source, 30),
			       .entered = site->engine->now, .followed = followed, .captured = captured};

	*ret = call.return_address;
	if ((!top || top->sp > call.sp) && !task->suspects.count && pending->count < pending->capacity) {
		pending->items[pending->count++] = call;	/* deeper than all others, as it mostly is */
		return;
	}
	if (top && top->sp < call.sp)
		suspect_below(task, call.sp);
	if (task->suspects.count)
		settle_suspects(&task->suspects, &call);
	if (pending->count && pending->items[pending->count - 1].sp == call.sp)
		settle_pending(pending, &call);
	if (!up_calls_push(pending, call))
		miss(&call, UP_MISSED_LONGJMP);
}

static void deliver_probe(struct up_probe *probe, struct up_call *call, struct up_hit *hit,
			  const uint64_t *captured)
{
	probe->returns++;
	if (!probe->enabled)
		return;
	hit->program = &probe->program;
	hit->entry = captured;
	hit->texts_done = false;
	hit->done[0] = hit->done[1] = 0;
	hit->file_offset = call->site->file_offset;
	if (probe->is_return && probe->has_filter && !up_filter_accepts(&probe->filter, hit))
		return;
	for (unsigned i = 0; i < probe->return_count; i++)
		up_action_run(probe->return_actions[i], hit);
}

/* The common case of deliver: only how long the call took is wanted. */
static void deliver_latency(struct up_engine *engine, const struct up_call *call)
{
	struct up_action *action = call->site->only;
	uint64_t bucket = up_bucket(action->hist, action->parameter, engine->now - call->entered);
	struct up_entry *entry = up_map_at_number(&action->map, bucket, &engine->order);

	call->site->probes[0]->returns++;
	if (entry)
		entry->count++;
	else
		action->lost++;
}

static void deliver(struct up_engine *engine, const struct up_source *source, struct up_call *call)
{
	if (call->site->kind == UP_SITE_LATENCY) {
		deliver_latency(engine, call);
		return;
	}
	static const uint64_t nothing[UP_MAX_ARGS];
	struct up_hit hit;
	const uint64_t *captured = call->captured ? call->captured : nothing;

	up_hit_init(&hit, source, engine);
	hit.address = call->site->address;
	hit.pc = call->return_address;
	hit.latency = engine->now - call->entered;
	for (unsigned i = 0; i < call->site->count; i++) {
		struct up_probe *probe = call->site->probes[i];
		if (call->followed >> i & 1)
			deliver_probe(probe, call, &hit, captured);
		if (call->captured)
			captured += probe->capture.cells;
	}
	free(call->captured);
}

/* Takes the calls that landed here out of calls, newest first, and ends them. */
static bool land(struct up_engine *engine, const struct up_source *source, struct up_calls *calls, uint64_t sp,
		 uint64_t address, bool sorted)
{
	bool landed = false, returned = false;

	for (unsigned i = calls->count; i-- > 0;) {
		struct up_call call = calls->items[i];
		if (sorted && call.sp > sp)
			break;
		if (call.sp != sp || call.return_address != address)
			continue;
		take_out(calls, i);
		if (!landed) {
			landed = true;
			up_tick(engine);
			returned = up_source_register(source, 30) == address;
			suspect_below(engine->task, sp);
			i = i < calls->count ? i : calls->count;
		}
		if (returned)
			deliver(engine, source, &call);
		else
			miss(&call, UP_MISSED_LONGJMP);
	}
	return landed;
}

/* The newest call alone returns, which is how it mostly is. */
static bool land_on_top(struct up_engine *engine, const struct up_source *source, uint64_t sp, uint64_t address)
{
	struct up_calls *pending = &engine->task->pending;
	struct up_call *top;

	if (!pending->count)
		return false;
	top = pending->items + pending->count - 1;
	if (top->sp != sp || top->return_address != address ||
	    (pending->count > 1 && top[-1].sp <= sp) || up_source_register(source, 30) != address)
		return false;
	struct up_call call = *top;
	pending->count--;
	up_tick(engine);
	deliver(engine, source, &call);
	return true;
}

bool up_return_hit(struct up_engine *engine, const struct up_source *source, uint64_t address)
{
	struct up_task *task = engine->task;
	uint64_t sp = up_source_register(source, UP_SP);

	if (land_on_top(engine, source, sp, address))
		return true;
	if (land(engine, source, &task->pending, sp, address, true))
		return true;
	return task->suspects.count && land(engine, source, &task->suspects, sp, address, false);
}

/* No pending return of task will be seen any more; what was jumped over is said to be so. */
void up_task_abandon(struct up_task *task, int reason)
{
	for (unsigned i = 0; i < task->suspects.count; i++)
		miss(&task->suspects.items[i], UP_MISSED_LONGJMP);
	for (unsigned i = 0; i < task->pending.count; i++)
		miss(&task->pending.items[i], reason);
	task->pending.count = task->suspects.count = 0;
}

static unsigned count_calls(const struct up_calls *calls, const struct up_probe *probe)
{
	unsigned found = 0;

	for (unsigned i = 0; i < calls->count; i++)
		for (unsigned j = 0; j < calls->items[i].site->count; j++)
			found += calls->items[i].site->probes[j] == probe && calls->items[i].followed >> j & 1;
	return found;
}

/* How many returns of probe task is waiting for. */
unsigned up_task_pending(const struct up_task *task, const struct up_probe *probe)
{
	if (!probe->wants_returns)
		return 0;
	return count_calls(&task->pending, probe) + count_calls(&task->suspects, probe);
}
