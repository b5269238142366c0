/*
 * What is done with a hit: count, sum, histogram, record.
 *
 * uprobe_core/actions/kinds.py is the reference and reads the results from here.
 */
#include "action.h"

#include <string.h>

#include "engine.h"
#include "record.h"
#include "source.h"
#include "told.h"

enum { KEY_ROOM = UP_MAX_KEY * (UP_MAX_RECORD + 16) };

static bool is_number(struct up_field field, const struct up_program *program)
{
	return up_field_is_valid(field, program) && field.kind != 't' && field.kind != 'k';
}

bool up_action_fits(const struct up_action *action, const struct up_program *program)
{
	if (action->kind > UP_GRAPH || action->hist > UP_SUB || action->keys > UP_MAX_KEY)
		return false;
	if (action->kind == UP_HIST && action->hist == UP_LINEAR && action->parameter == 0)
		return false;
	if (action->kind != UP_COUNT && action->hist == UP_SUB && action->parameter > 63)
		return false;
	if ((action->kind == UP_SUMMARY || action->kind == UP_GRAPH) && (action->keys || action->value.source != UP_FIELD_LATENCY || action->hist != UP_SUB))
		return false;
	if (!is_number(action->value, program) || (action->kind == UP_HIST && action->value.kind == 'f'))
		return false;
	for (unsigned i = 0; i < action->keys; i++)
		if (!up_field_is_valid(action->key[i], program))
			return false;
	return up_filter_fits(&action->filter, program);
}

static char *put_word(char *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

/* A stack as its length in bytes (all ones: it could not be found) and the numbers of its frames. */
static char *put_stack(char *to, struct up_hit *hit, unsigned depth)
{
	uint32_t frames[UP_STACK_MAX];
	size_t size = up_stack(hit->engine, hit, depth, frames) * sizeof(*frames);

	to = put_word(to, size ? size : UINT64_MAX);
	memcpy(to, frames, size);
	return to + size;
}

/* A number as its 8 bytes, a text as its length (all ones: unreadable) and its bytes. */
static char *put_field(char *to, struct up_hit *hit, struct up_field field)
{
	if (field.kind == 'k')
		return put_stack(to, hit, field.arg);
	if (field.kind != 't')
		return put_word(to, up_field_number(hit, field));
	struct up_text text = up_field_text(hit, field);
	to = put_word(to, text.bytes ? text.size : UINT64_MAX);
	memcpy(to, text.bytes ? text.bytes : "", text.bytes ? text.size : 0);
	return to + (text.bytes ? text.size : 0);
}

/* How many numbers are in the bucket of value, which is not 0 (of UP_LOG2 or UP_SUB). */
static uint64_t width_of(enum up_hist_kind kind, uint64_t bits, uint64_t value)
{
	unsigned power = 63 - (unsigned)__builtin_clzll(value);

	if (kind == UP_LOG2)
		return UINT64_C(1) << power;
	return power > bits ? UINT64_C(1) << (power - bits) : 1;
}

/* The lower bound of the bucket that holds value. */
uint64_t up_bucket(enum up_hist_kind kind, uint64_t parameter, uint64_t value)
{
	if (kind == UP_LINEAR)
		return value / parameter * parameter;
	return value ? value & -width_of(kind, parameter, value) : 0;
}

/* The same of -size: how far below zero the bucket begins, at most where a signed number does. */
static uint64_t depth_of(enum up_hist_kind kind, uint64_t parameter, uint64_t size)
{
	const uint64_t lowest = UINT64_C(1) << 63;

	if (kind != UP_LINEAR) {
		uint64_t width = width_of(kind, parameter, size), last = (size & -width) + (width - 1);
		return last < lowest ? last : lowest;
	}
	uint64_t steps = size / parameter + (size % parameter != 0);
	return steps <= lowest / parameter ? steps * parameter : lowest;
}

static uint64_t bucket_of(const struct up_action *action, struct up_hit *hit)
{
	uint64_t value = up_field_number(hit, action->value);

	if (action->value.kind == 's' && (int64_t)value < 0)
		return -depth_of(action->hist, action->parameter, -value);
	return up_bucket(action->hist, action->parameter, value);
}

static void add_float(struct up_stat *stat, bool first, double value)
{
	if (first) {
		stat->float_sum = stat->float_low = stat->float_high = value;
		return;
	}
	stat->float_sum += value;
	if (value < stat->float_low)
		stat->float_low = value;
	if (value > stat->float_high)
		stat->float_high = value;
}

static void add_value(struct up_action *action, struct up_hit *hit, struct up_entry *entry)
{
	struct up_stat *stat = &action->map.stats[entry - action->map.entries];
	uint64_t bits = up_field_number(hit, action->value);
	bool first = entry->count == 0;

	if (action->value.kind == 'f') {
		double value;
		memcpy(&value, &bits, sizeof(value));
		add_float(stat, first, value);
		return;
	}
	__extension__ __int128 value = action->value.kind == 's' ? (__int128)(int64_t)bits : (__int128)bits;
	stat->sum += value;
	if (first || value < stat->low)
		stat->low = value;
	if (first || value > stat->high)
		stat->high = value;
}

static struct up_entry *entry_of_many(struct up_action *action, struct up_hit *hit)
{
	char key[KEY_ROOM + 8], *end = key;

	for (unsigned i = 0; i < action->keys; i++)
		end = put_field(end, hit, action->key[i]);
	if (action->kind == UP_HIST)
		end = put_word(end, bucket_of(action, hit));
	return up_map_at(&action->map, key, (size_t)(end - key), &action->engine->order);
}

/* Whether its values are of any length. */
static bool is_long(struct up_field field)
{
	return field.kind == 't' || field.kind == 'k';
}

/* The entry of the hit's key; a key of one number, the common case, goes a shorter way. */
static struct up_entry *entry_of(struct up_action *action, struct up_hit *hit)
{
	if (action->kind == UP_HIST && !action->keys)
		return up_map_at_number(&action->map, bucket_of(action, hit), &action->engine->order);
	if (action->kind != UP_HIST && action->keys == 1 && !is_long(action->key[0]))
		return up_map_at_number(&action->map, up_field_number(hit, action->key[0]), &action->engine->order);
	return entry_of_many(action, hit);
}

static void run_keyed(struct up_action *action, struct up_hit *hit)
{
	struct up_entry *entry = entry_of(action, hit);

	if (!entry) {
		action->lost++;
		return;
	}
	if (action->kind == UP_SUM)
		add_value(action, hit, entry);
	if (action->value.source == UP_FIELD_LATENCY && hit->latency > entry->high)
		entry->high = hit->latency;
	entry->count++;
}

/*
 * One more call.  The numbers of its bucket's stat: all of its time, what was not in calls that it made, and what
 * had not been counted at calls of the same function in it.
 */
void up_summarize(struct up_action *action, struct up_call *call, uint64_t latency)
{
	struct up_engine *engine = action->engine;
	uint64_t once;
	bool told = up_tell(&engine->task->pending, call, action, latency, &once);
	uint64_t bucket = up_bucket(action->hist, action->parameter, latency);
	struct up_entry *entry = told ? up_map_at_number(&action->map, bucket, &engine->order) : NULL;

	if (!entry) {
		action->lost++;
		return;
	}
	struct up_stat *stat = &action->map.stats[entry - action->map.entries];
	stat->sum += latency;
	stat->low += latency > call->inside ? latency - call->inside : 0;
	stat->high += once;
	if (latency > entry->high)
		entry->high = latency;
	entry->count++;
}

void up_add_to_path(struct up_action *action, const struct up_call *call, uint64_t latency)
{
	static const struct up_calls none;
	struct up_engine *engine = action->engine;
	uint32_t path = call->path ? call->path : up_path_of(engine, &none, call);
	struct up_entry *entry = path == UP_PATH_LOST ? NULL : up_map_at_number(&action->map, path, &engine->order);

	if (!entry) {
		action->lost++;
		return;
	}
	action->map.stats[entry - action->map.entries].sum += latency;
	entry->count++;
}

/* One of the slowest calls: a record with its latency, how many frames its stack has, and their numbers. */
static void keep_slow(struct up_action *action, struct up_hit *hit)
{
	uint32_t frames[UP_STACK_MAX];
	uint64_t words[2 + UP_STACK_MAX];
	unsigned count = action->depth ? up_stack(hit->engine, hit, action->depth, frames) : 0;

	words[0] = hit->latency;
	words[1] = count;
	for (unsigned i = 0; i < count; i++)
		words[2 + i] = frames[i];
	up_write_longer_record(action->engine, action->sink, hit, words, 2 + count);
}

void up_action_run(struct up_action *action, struct up_hit *hit)
{
	if (action->has_filter && !up_filter_accepts(&action->filter, hit))
		return;
	switch (action->kind) {
	case UP_COUNT:
		if (!action->keys) {
			action->total++;
			break;
		}
		run_keyed(action, hit);
		break;
	case UP_SUM:
	case UP_HIST:
		run_keyed(action, hit);
		if (action->top.room && up_top_takes(&action->top, hit->latency))
			keep_slow(action, hit);
		break;
	case UP_SUMMARY:
		if (hit->call)
			up_summarize(action, hit->call, hit->latency);
		break;
	case UP_GRAPH:
		if (hit->call)
			up_add_to_path(action, hit->call, hit->latency);
		break;
	case UP_RECORD:
		up_write_record(action->engine, action->sink, hit);
		break;
	case UP_CALL:
		action->engine->called = true;
		action->engine->call(action->engine->call_context, action, hit);
		break;
	}
}
