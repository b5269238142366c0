/*
 * Calls whose return is awaited: WatchReturns of probes/returns.py, for native sites.
 *
 * A return is there when the task is at the return address, SP is what it was
 * at entry and the link register still holds the return address.  pending is
 * sorted: deeper frames, with lower SP, come later.
 */
#include "returns.h"

#include <stdlib.h>
#include <string.h>

#include "hijack.h"
#include "site.h"
#include "source.h"
#include "told.h"

enum { MAX_SUSPECTS = 1024, MAX_AGAIN = 1024 };

static inline uint64_t sp_of(const struct up_engine *engine, const struct up_source *source)
{
	return up_source_register(source, engine->registers.sp);
}

static inline uint64_t link_of(const struct up_engine *engine, const struct up_source *source)
{
	return up_source_register(source, engine->registers.link);
}

/* The calls from number first on look gone, unless their stack is another one that will be switched back to. */
static void suspect(struct up_task *task, unsigned first)
{
	struct up_calls *pending = &task->pending, *suspects = &task->suspects;

	while (pending->count > first) {
		struct up_call call = pending->items[--pending->count];
		up_calls_pass_over(pending, pending->count, &call);
		if (!up_calls_push(suspects, call))
			up_miss(&call, UP_MISSED_NO_MEMORY);
	}
	while (suspects->count > MAX_SUSPECTS) {
		up_miss(&suspects->items[0], UP_MISSED_LONGJMP);
		up_calls_take_out(suspects, 0);
	}
}

/* The same of frames below sp. */
static void suspect_below(struct up_task *task, uint64_t sp)
{
	unsigned first = task->pending.count;

	while (first && task->pending.items[first - 1].sp < sp)
		first--;
	suspect(task, first);
}

static bool is_same_call(const struct up_call *a, const struct up_call *b)
{
	return a->sp == b->sp && a->return_address == b->return_address && a->site == b->site;
}

/* The same call is made again: its first time was left by longjmp (or looked so, before it came here by a tail call). */
static void settle_suspects(struct up_calls *suspects, const struct up_call *call)
{
	for (unsigned i = suspects->count; i-- > 0;)
		if (is_same_call(&suspects->items[i], call)) {
			up_miss(&suspects->items[i], UP_MISSED_LONGJMP);
			up_calls_take_out(suspects, i);
		}
}

/*
 * The same among sorted records, with all that the first time had tail-called: they share its frame.
 * Without a longjmp since then it is a tail call, and those before the first time were looked at there.
 */
static void settle_pending(struct up_calls *pending, const struct up_call *call)
{
	unsigned first = pending->count;

	for (unsigned i = pending->count; i-- > 0 && pending->items[i].sp == call->sp;) {
		if (!is_same_call(&pending->items[i], call))
			continue;
		if (call->jumps && pending->items[i].jumps == call->jumps)
			break;
		first = i;
	}
	for (unsigned i = pending->count; i-- > first;)
		if (pending->items[i].return_address == call->return_address) {
			up_calls_pass_over(pending, i, &pending->items[i]);
			up_miss(&pending->items[i], UP_MISSED_LONGJMP);
			up_calls_take_out(pending, i);
		}
}

/* How many calls are right before call in its frame. */
static uint32_t again(const struct up_calls *pending, const struct up_call *call)
{
	if (!pending->count)
		return 0;
	const struct up_call *top = pending->items + pending->count - 1;

	return top->sp == call->sp && top->return_address == call->return_address ? top->again + 1 : 0;
}

static void settle_unwound(struct up_calls *calls, uint64_t lowest, uint64_t highest, bool sorted)
{
	for (unsigned i = calls->count; i-- > 0;) {
		struct up_call call = calls->items[i];
		if (call.sp < lowest || call.sp > highest)
			continue;
		up_calls_take_out(calls, i);
		if (sorted)
			up_calls_pass_over(calls, i, &call);
		up_miss(&call, UP_MISSED_EXCEPTION);
		i = i < calls->count ? i : calls->count;
	}
}

void up_unwound(struct up_engine *engine, uint64_t lowest, uint64_t highest)
{
	if (!engine->task)
		return;
	engine->task->raised = 0;
	settle_unwound(&engine->task->pending, lowest, highest, true);
	settle_unwound(&engine->task->suspects, lowest, highest, false);
}

/* Only what an exception has jumped to has SP above where it was raised: nobody comes here from the unwinder. */
static void see_landing(struct up_engine *engine, uint64_t sp)
{
	if (engine->task->raised && sp > engine->task->raised)
		up_unwound(engine, engine->task->raised, sp);
}

/* A call that is deeper than all others, as it mostly is; false: nothing was done. */
static bool enter_deeper(struct up_site *site, const struct up_source *source, uint64_t followed,
			 struct up_kept *kept, uint64_t *ret)
{
	struct up_engine *engine = site->engine;
	struct up_task *task = engine->task;
	struct up_calls *pending = &task->pending;
	uint64_t sp = sp_of(engine, source);

	if (engine->hijack || task->suspects.count || task->raised || pending->count == pending->capacity)
		return false;
	struct up_call *call = pending->items + pending->count;
	if (pending->count && call[-1].sp <= sp)
		return false;
	*ret = link_of(engine, source);
	*call = (struct up_call){.site = site, .sp = sp, .return_address = *ret, .entered = engine->now,
				 .work = up_task_work(engine), .followed = followed, .kept = kept,
				 .jumps = task->jumps};
	if (engine->follows_paths)
		call->path = up_path_of(engine, pending, call);
	pending->count++;
	return true;
}

/* The function at site was entered; *ret is where its return has to be watched. */
bool up_enter(struct up_site *site, const struct up_source *source, uint64_t followed, struct up_kept *kept,
	      uint64_t *ret)
{
	struct up_engine *engine = site->engine;
	struct up_task *task = engine->task;
	struct up_calls *pending = &task->pending;

	if (enter_deeper(site, source, followed, kept, ret))
		return true;
	struct up_call call = {.site = site, .sp = sp_of(engine, source),
			       .return_address = link_of(engine, source),
			       .entered = engine->now, .work = up_task_work(engine), .followed = followed, .kept = kept,
			       .jumps = task->jumps};

	if (engine->hijack) {
		up_hijack(site, source, &call);
		return false;
	}
	*ret = call.return_address;
	see_landing(engine, call.sp);
	if (pending->count && pending->items[pending->count - 1].sp < call.sp)
		suspect_below(task, call.sp);
	if (task->suspects.count)
		settle_suspects(&task->suspects, &call);
	if (pending->count && pending->items[pending->count - 1].sp == call.sp)
		settle_pending(pending, &call);
	call.again = again(pending, &call);
	if (call.again > MAX_AGAIN) {
		up_miss(&call, UP_MISSED_DEPTH);
		return false;
	}
	if (engine->follows_paths)
		call.path = up_path_of(engine, pending, &call);
	if (up_calls_push(pending, call))
		return true;
	up_miss(&call, UP_MISSED_NO_MEMORY);
	return false;
}

/* Takes the calls that landed here out of calls, newest first, and ends them. */
static bool land(struct up_engine *engine, const struct up_source *source, struct up_calls *calls, uint64_t sp,
		 uint64_t address, bool sorted)
{
	bool landed = false, returned = false;

	for (unsigned i = calls->count; i-- > 0;) {
		if (sorted && calls->items[i].sp > sp)
			break;
		if (calls->items[i].sp != sp || calls->items[i].return_address != address)
			continue;
		if (!landed) {
			up_tick(engine);
			returned = link_of(engine, source) == address;
		}
		if (!landed && sorted)
			suspect(engine->task, i + 1); /* in that call */
		struct up_call call = calls->items[i];
		up_calls_take_out(calls, i);
		if (!landed && !sorted)
			suspect_below(engine->task, sp);
		landed = true;
		if (sorted && returned)
			up_calls_pass(calls, i, engine->now - call.entered);
		else if (sorted)
			up_calls_pass_over(calls, i, &call);
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
	    link_of(engine, source) != address)
		return false;
	up_tick(engine);
	struct up_call call = *top;
	pending->count--;
	up_calls_pass(pending, pending->count, engine->now - call.entered);
	up_deliver_latency(engine, &call);
	up_told_free(&call);
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
	    (pending->count > 1 && top[-1].sp <= sp) || link_of(engine, source) != address)
		return false;
	struct up_call call = *top;
	pending->count--;
	up_tick(engine);
	up_calls_pass(pending, pending->count, engine->now - call.entered);
	up_deliver(engine, source, &call);
	return true;
}

bool up_return_hit(struct up_engine *engine, const struct up_source *source, uint64_t address)
{
	struct up_task *task = engine->task;
	uint64_t sp = sp_of(engine, source);

	see_landing(engine, sp);
	if (land_timed(engine, source, sp, address) || land_on_top(engine, source, sp, address))
		return true;
	if (land(engine, source, &task->pending, sp, address, true))
		return true;
	return task->suspects.count && land(engine, source, &task->suspects, sp, address, false);
}
