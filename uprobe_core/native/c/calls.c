/* Calls whose return is awaited: how they end. */
#include "calls.h"

#include <string.h>

#include "allocate.h"
#include "hit.h"
#include "site.h"
#include "told.h"

bool up_calls_push(struct up_calls *calls, struct up_call call)
{
	if (calls->count == calls->capacity) {
		unsigned capacity = calls->capacity ? 2 * calls->capacity : 32;
		struct up_call *items = up_reallocate(calls->items, capacity * sizeof(*items));
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
	for (unsigned i = 0; i < calls->count; i++) {
		up_kept_give(calls->items[i].site->engine, calls->items[i].site, calls->items[i].kept);
		up_told_free(&calls->items[i]);
	}
	free(calls->items);
	memset(calls, 0, sizeof(*calls));
}

void up_task_deinit(struct up_task *task)
{
	calls_deinit(&task->pending);
	calls_deinit(&task->suspects);
}

void up_calls_take_out(struct up_calls *calls, unsigned index)
{
	calls->count--;
	memmove(calls->items + index, calls->items + index + 1, (calls->count - index) * sizeof(*calls->items));
}

void up_calls_pass(struct up_calls *pending, unsigned index, uint64_t inside)
{
	if (index)
		pending->items[index - 1].inside += inside;
}

void up_calls_pass_over(struct up_calls *pending, unsigned index, struct up_call *call)
{
	up_calls_pass(pending, index, call->inside);
	up_told_pass(pending, index, call);
}

/* The call that call was made in; what was entered with the same SP and returns elsewhere was left by longjmp. */
static uint32_t path_around(const struct up_calls *pending, const struct up_call *call)
{
	for (unsigned i = pending->count; i-- > 0;)
		if (pending->items[i].sp != call->sp || pending->items[i].return_address == call->return_address)
			return pending->items[i].path;
	return 0;
}

uint32_t up_path_of(struct up_engine *engine, const struct up_calls *pending, const struct up_call *call)
{
	uint32_t around = path_around(pending, call);

	if (around == UP_PATH_LOST)
		return UP_PATH_LOST;
	uint64_t key = (uint64_t)around << 32 | call->site->place;
	const struct up_entry *entry = up_map_at_number(&engine->paths, key, &engine->order);
	return entry ? (uint32_t)(entry - engine->paths.entries) + 1 : UP_PATH_LOST;
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
	up_told_free(call);
}

/* What the probe sees: of an entry event, the values of the entry. */
static void look_at(struct up_engine *engine, const struct up_call *call, const struct up_probe *probe,
		    struct up_hit *hit)
{
	bool given = call->kept && probe->returned.count;

	hit->program = given ? &probe->returned : &probe->program;
	hit->cells = given ? (uint64_t *)(uintptr_t)hit->entry : engine->cells;
	hit->area = given ? (char *)(uintptr_t)hit->entry_text : engine->area;
	hit->area_size = given ? call->kept->text : 0;
	hit->texts_done = given;
	hit->done[0] = hit->done[1] = given ? UINT64_MAX : 0;
	hit->file_offset = call->site->file_offset;
}

static void deliver_probe(struct up_engine *engine, struct up_call *call, unsigned index, struct up_hit *hit)
{
	struct up_probe *probe = call->site->probes[index];

	probe->returns++;
	if (!probe->enabled)
		return;
	look_at(engine, call, probe, hit);
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

/* The common case of deliver: only how long the call took is wanted, or also in which calls it was. */
void up_deliver_latency(struct up_engine *engine, struct up_call *call)
{
	struct up_action *action = call->site->only;
	uint64_t latency = engine->now - call->entered;

	call->site->probes[0]->returns++;
	if (action->kind == UP_GRAPH) {
		up_add_to_path(action, call, latency);
		return;
	}
	if (action->kind == UP_SUMMARY) {
		up_summarize(action, call, latency);
		return;
	}
	uint64_t bucket = up_bucket(action->hist, action->parameter, latency);
	struct up_entry *entry = up_map_at_number(&action->map, bucket, &engine->order);

	if (!entry) {
		action->lost++;
		return;
	}
	entry->count++;
	if (latency > entry->high)
		entry->high = latency;
}

void up_deliver(struct up_engine *engine, const struct up_source *source, struct up_call *call)
{
	if (call->site->kind == UP_SITE_LATENCY && !call->kept) {
		up_deliver_latency(engine, call);
		up_told_free(call);
		return;
	}
	static const uint64_t nothing[UP_MAX_ARGS];
	struct up_hit hit;

	up_hit_init(&hit, source, engine);
	hit.call = engine->returning = call;
	hit.address = call->site->address;
	hit.pc = call->return_address;
	hit.latency = engine->now - call->entered;
	hit.insns = up_task_work(engine) - call->work;
	hit.entry = call->kept ? call->kept->words : nothing;
	hit.entry_text = call->kept ? up_kept_text(call->kept) : NULL;
	for (unsigned i = 0; i < call->site->count; i++) {
		if (call->followed >> i & 1)
			deliver_probe(engine, call, i, &hit);
		if (call->kept)
			hit.entry += call->site->probes[i]->capture.cells;
	}
	engine->returning = NULL;
	up_kept_give(engine, call->site, call->kept);
	up_told_pass(&engine->task->pending, engine->task->pending.count, call); /* for who did not count this one */
}

/* No pending return of task will be seen any more; what was jumped over is said to be so. */
void up_task_abandon(struct up_task *task, int reason)
{
	for (unsigned i = 0; i < task->suspects.count; i++)
		up_miss(&task->suspects.items[i], UP_MISSED_LONGJMP);
	for (unsigned i = 0; i < task->pending.count; i++)
		up_miss(&task->pending.items[i], reason);
	task->pending.count = task->suspects.count = 0;
	task->jumps = 0;
}

void up_task_run(struct up_task *task, struct up_engine *engine)
{
	if (engine->task && engine->task != task)
		engine->task->stopped = engine->work;
	if (engine->task != task)
		task->elsewhere += engine->work - task->stopped;
	task->stopped = engine->work;
	engine->task = task;
}

static bool copy_calls(struct up_calls *to, const struct up_calls *from, struct up_engine *engine)
{
	for (unsigned i = 0; i < from->count; i++) {
		struct up_call call = from->items[i];
		call.told = NULL; /* by the parent */
		if (call.kept && !(call.kept = up_kept_copy(engine, call.site, call.kept)))
			return false;
		if (!up_calls_push(to, call)) {
			up_kept_give(engine, call.site, call.kept);
			return false;
		}
	}
	return true;
}

/* task is a copy of parent (fork): it will return from the same calls.  False: out of memory. */
bool up_task_inherit(struct up_task *task, const struct up_task *parent, struct up_engine *engine)
{
	task->elsewhere = parent->elsewhere;
	task->jumps = parent->jumps;
	task->stopped = engine->work;
	if (copy_calls(&task->pending, &parent->pending, engine) && copy_calls(&task->suspects, &parent->suspects, engine))
		return true;
	up_task_deinit(task);
	return false;
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
