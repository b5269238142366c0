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

static void calls_deinit(struct up_calls *calls)
{
	for (unsigned i = 0; i < calls->count; i++)
		up_kept_give(calls->items[i].site->engine, calls->items[i].site, calls->items[i].kept);
	free(calls->items);
	memset(calls, 0, sizeof(*calls));
}

void up_task_deinit(struct up_task *task)
{
	calls_deinit(&task->pending);
	calls_deinit(&task->suspects);
}

static void take_out(struct up_calls *calls, unsigned index)
{
	calls->count--;
	memmove(calls->items + index, calls->items + index + 1, (calls->count - index) * sizeof(*calls->items));
}

/* The call will not be seen to return. */
void up_miss(struct up_call *call, int reason)
{
	struct up_engine *engine = call->site->engine;

	for (unsigned i = 0; i < call->site->count; i++) {
		struct up_probe *probe = call->site->probes[i];
		if (!(call->followed >> i & 1))
			continue;
		probe->missed[reason]++;
		if (probe->chain && probe->enabled)
			engine->outside.missed(engine->outside.context, probe->chain - 1, call->site->address, reason);
	}
	up_kept_give(engine, call->site, call->kept);
}

/* Frames below sp look gone, unless their stack is another one that will be switched back to. */
static void suspect_below(struct up_task *task, uint64_t sp)
{
	struct up_calls *pending = &task->pending, *suspects = &task->suspects;

	while (pending->count && pending->items[pending->count - 1].sp < sp) {
		struct up_call call = pending->items[--pending->count];
		if (!up_calls_push(suspects, call))
			up_miss(&call, UP_MISSED_LONGJMP);
	}
	while (suspects->count > MAX_SUSPECTS) {
		up_miss(&suspects->items[0], UP_MISSED_LONGJMP);
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
			up_miss(&suspects->items[i], UP_MISSED_LONGJMP);
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
			up_miss(&pending->items[i], UP_MISSED_LONGJMP);
			take_out(pending, i);
		}
}

/* A call that is deeper than all others, as it mostly is; false: nothing was done. */
static bool enter_deeper(struct up_site *site, const struct up_source *source, uint64_t followed,
			 struct up_kept *kept, uint64_t *ret)
{
	struct up_task *task = site->engine->task;
	struct up_calls *pending = &task->pending;
	uint64_t sp = up_source_register(source, UP_SP);

	if (site->engine->hijack || task->suspects.count || pending->count == pending->capacity)
		return false;
	struct up_call *call = pending->items + pending->count;
	if (pending->count && call[-1].sp <= sp)
		return false;
	*ret = up_source_register(source, 30);
	*call = (struct up_call){.site = site, .sp = sp, .return_address = *ret, .entered = site->engine->now,
				 .followed = followed, .kept = kept};
	pending->count++;
	return true;
}

/* The function at site was entered; *ret is where its return has to be watched. */
bool up_enter(struct up_site *site, const struct up_source *source, uint64_t followed, struct up_kept *kept,
	      uint64_t *ret)
{
	struct up_task *task = site->engine->task;
	struct up_calls *pending = &task->pending;

	if (enter_deeper(site, source, followed, kept, ret))
		return true;
	struct up_call call = {.site = site, .sp = up_source_register(source, UP_SP),
			       .return_address = up_source_register(source, 30),
			       .entered = site->engine->now, .followed = followed, .kept = kept};

	if (site->engine->hijack) {
		up_hijack(site, source, &call);
		return false;
	}
	*ret = call.return_address;
	if (pending->count && pending->items[pending->count - 1].sp < call.sp)
		suspect_below(task, call.sp);
	if (task->suspects.count)
		settle_suspects(&task->suspects, &call);
	if (pending->count && pending->items[pending->count - 1].sp == call.sp)
		settle_pending(pending, &call);
	if (!up_calls_push(pending, call))
		up_miss(&call, UP_MISSED_LONGJMP);
	return true;
}

static void deliver_probe(struct up_engine *engine, struct up_call *call, unsigned index, struct up_hit *hit)
{
	struct up_probe *probe = call->site->probes[index];

	probe->returns++;
	if (!probe->enabled)
		return;
	hit->program = &probe->program;
	hit->texts_done = false;
	hit->done[0] = hit->done[1] = 0;
	hit->file_offset = call->site->file_offset;
	if (probe->is_return && probe->has_filter && !up_filter_accepts(&probe->filter, hit))
		return;
	for (unsigned i = 0; i < probe->return_count; i++)
		up_action_run(probe->return_actions[i], hit);
	if (probe->chain) {
		void *cookie = call->kept ? up_kept_cookie(call->site, call->kept, index) : NULL;
		if (cookie == UP_IGNORED)
			return;
		engine->called = true;
		engine->outside.leave(engine->outside.context, probe->chain - 1, hit, cookie);
	}
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

void up_deliver(struct up_engine *engine, const struct up_source *source, struct up_call *call)
{
	if (call->site->kind == UP_SITE_LATENCY && !call->kept) {
		deliver_latency(engine, call);
		return;
	}
	static const uint64_t nothing[UP_MAX_ARGS];
	struct up_hit hit;

	up_hit_init(&hit, source, engine);
	hit.address = call->site->address;
	hit.pc = call->return_address;
	hit.latency = engine->now - call->entered;
	hit.entry = call->kept ? call->kept->words : nothing;
	for (unsigned i = 0; i < call->site->count; i++) {
		if (call->followed >> i & 1)
			deliver_probe(engine, call, i, &hit);
		if (call->kept)
			hit.entry += call->site->probes[i]->capture.cells;
	}
	up_kept_give(engine, call->site, call->kept);
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
			up_deliver(engine, source, &call);
		else
			up_miss(&call, UP_MISSED_LONGJMP);
	}
	return landed;
}

/* The newest call alone returns and is only timed. */
static bool land_timed(struct up_engine *engine, const struct up_source *source, uint64_t sp, uint64_t address)
{
	struct up_calls *pending = &engine->task->pending;

	if (!pending->count)
		return false;
	const struct up_call *top = pending->items + pending->count - 1;
	if (top->site->kind != UP_SITE_LATENCY || top->kept || top->sp != sp ||
	    top->return_address != address || (pending->count > 1 && top[-1].sp <= sp) ||
	    up_source_register(source, 30) != address)
		return false;
	up_tick(engine);
	deliver_latency(engine, top);
	pending->count--;
	return true;
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
	up_deliver(engine, source, &call);
	return true;
}

bool up_return_hit(struct up_engine *engine, const struct up_source *source, uint64_t address)
{
	struct up_task *task = engine->task;
	uint64_t sp = up_source_register(source, UP_SP);

	if (land_timed(engine, source, sp, address) || land_on_top(engine, source, sp, address))
		return true;
	if (land(engine, source, &task->pending, sp, address, true))
		return true;
	return task->suspects.count && land(engine, source, &task->suspects, sp, address, false);
}

/* No pending return of task will be seen any more; what was jumped over is said to be so. */
void up_task_abandon(struct up_task *task, int reason)
{
	for (unsigned i = 0; i < task->suspects.count; i++)
		up_miss(&task->suspects.items[i], UP_MISSED_LONGJMP);
	for (unsigned i = 0; i < task->pending.count; i++)
		up_miss(&task->pending.items[i], reason);
	task->pending.count = task->suspects.count = 0;
}

static bool copy_calls(struct up_calls *to, const struct up_calls *from, struct up_engine *engine)
{
	for (unsigned i = 0; i < from->count; i++) {
		struct up_call call = from->items[i];
		if (call.kept && !(call.kept = up_kept_copy(engine, call.site, call.kept)))
			return false;
		if (!up_calls_push(to, call))
			return false;
	}
	return true;
}

/* task is a copy of parent (fork): it will return from the same calls.  False: out of memory. */
bool up_task_inherit(struct up_task *task, const struct up_task *parent, struct up_engine *engine)
{
	return copy_calls(&task->pending, &parent->pending, engine) &&
	       copy_calls(&task->suspects, &parent->suspects, engine);
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
