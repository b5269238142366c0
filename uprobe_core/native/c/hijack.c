/*
 * Hijacked returns: HijackReturns of probes/returns.py, for native sites.
 *
 * The link register is swapped for the trampoline; calls end in the order of a stack (prepare_uretprobe and
 * uprobe_handle_trampoline in kernel/events/uprobes.c, 6.12).
 */
#include "hijack.h"

#include <stdlib.h>
#include <string.h>

#include "site.h"
#include "source.h"

/* The stack grows down: a frame is gone once sp is above (unchained: at) its entry value. */
static bool is_alive(const struct up_call *call, uint64_t sp, bool chained)
{
	return chained ? sp <= call->sp : sp < call->sp;
}

static bool has_trampoline(struct up_engine *engine)
{
	if (!engine->trampoline && engine->outside.trampoline)
		engine->trampoline = engine->outside.trampoline(engine->outside.context);
	return engine->trampoline != 0;
}

static void drop_dead(struct up_calls *pending, const struct up_call *call)
{
	while (pending->count && !is_alive(&pending->items[pending->count - 1], call->sp, call->chained)) {
		struct up_call gone = pending->items[--pending->count];
		up_calls_pass_over(pending, pending->count, &gone);
		up_miss(&gone, UP_MISSED_LONGJMP);
	}
}

/* call was entered, its return address is what the link register holds: swap that, and remember it. */
void up_hijack(struct up_site *site, const struct up_source *source, struct up_call *call)
{
	struct up_engine *engine = site->engine;
	struct up_calls *pending = &engine->task->pending;

	if (!has_trampoline(engine)) {
		up_miss(call, UP_MISSED_NO_CALLER);
		return;
	}
	if (engine->depth && pending->count >= engine->depth) {
		up_miss(call, UP_MISSED_DEPTH);
		return;
	}
	source->set_reg(source->context, engine->registers.link, engine->trampoline);
	call->chained = call->return_address == engine->trampoline;
	drop_dead(pending, call);
	if (call->chained && !pending->count) {
		up_miss(call, UP_MISSED_NO_CALLER);
		return;
	}
	if (call->chained)
		call->return_address = pending->items[pending->count - 1].return_address;
	if (engine->follows_paths)
		call->path = up_path_of(engine, pending, call);
	if (!up_calls_push(pending, *call)) {
		source->set_reg(source->context, engine->registers.link, call->chained ? engine->trampoline : call->return_address);
		up_miss(call, UP_MISSED_NO_MEMORY);
	}
}

/* Ends the newest calls, which share a frame; answers whether they returned: else they were jumped over. */
static bool end_chain(struct up_engine *engine, const struct up_source *source, struct up_calls *pending)
{
	unsigned end = pending->count, first = end - 1;

	while (first && pending->items[first].chained)
		first--;
	bool valid = !first ||
		     is_alive(&pending->items[first - 1], up_source_register(source, engine->registers.sp), false);
	source->set_reg(source->context, engine->registers.pc, pending->items[end - 1].return_address);
	for (unsigned i = end; i-- > first;) {
		struct up_call call = pending->items[i];
		pending->count = i;
		if (valid) {
			up_calls_pass(pending, i, engine->now - call.entered);
			up_deliver(engine, source, &call);
		} else {
			up_calls_pass_over(pending, i, &call);
			up_miss(&call, UP_MISSED_LONGJMP);
		}
	}
	return valid;
}

bool up_trampoline_hit(struct up_engine *engine, const struct up_source *source)
{
	struct up_calls *pending = &engine->task->pending;

	up_tick(engine);
	while (pending->count)
		if (end_chain(engine, source, pending))
			return true;
	return false;
}
