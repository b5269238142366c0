/*
 * The strings of one record: measured, then copied one after the other.
 *
 * The two passes of store_trace_args (kernel 6.12) as events/strings.py
 * describes them.  Nothing runs between the passes, so a string reads the same
 * in both; what could not be measured has reserved nothing.
 */
#include "texts.h"

#include <string.h>

#include "calls.h"
#include "program.h"
#include "source.h"

enum text_state { TEXT_END, TEXT_FULL, TEXT_FAULT, TEXT_TRACER, TEXT_NO_POINTER };

/* A string that was found; its bytes are read again when it is copied. */
struct found {
	enum text_state state;
	uint64_t address;
	const char *tracer;	/* TEXT_TRACER: its bytes */
	unsigned size;		/* without the NUL */
};

/* Up to a NUL, a fault or UP_MAX_STRING bytes from address; ret has room for those. */
static enum text_state read_text(const struct up_hit *hit, uint64_t address, char *ret, unsigned *size_ret)
{
	unsigned done = 0, step = 64;

	while (done < UP_MAX_STRING) {
		unsigned in_page = 4096 - (unsigned)((address + done) % 4096);
		unsigned want = step < in_page ? step : in_page;
		if (want > UP_MAX_STRING - done)
			want = UP_MAX_STRING - done;
		size_t got = up_read_user(hit, address + done, ret + done, want);
		const char *end = memchr(ret + done, 0, got);
		if (end) {
			*size_ret = (unsigned)(end - ret);
			return TEXT_END;
		}
		done += (unsigned)got;
		if (got < want) {
			*size_ret = done;
			return TEXT_FAULT;
		}
		step = 4096;
	}
	*size_ret = done;
	return TEXT_FULL;
}

static unsigned measured(const struct found *text)
{
	bool ended = text->state == TEXT_END || text->state == TEXT_TRACER;

	return ended && text->size < UP_MAX_STRING ? text->size + 1 : 0;
}

static void find_at(struct up_hit *hit, uint64_t address, struct found *ret)
{
	char bytes[UP_MAX_STRING];

	address &= hit->registers->mask;
	ret->address = address;
	ret->state = read_text(hit, address, bytes, &ret->size);
}

/* Whether the string itself was kept of the entry. */
static bool is_captured(const struct up_arg *arg)
{
	return arg->source.code == UP_ENTRY && !arg->derefs;
}

static struct found captured(const struct up_hit *hit, unsigned cell)
{
	uint64_t text = hit->entry && hit->entry_text ? hit->entry[cell] : UP_NO_TEXT;

	if (text == UP_NO_TEXT)
		return (struct found){TEXT_FAULT, 0, NULL, 0};
	return (struct found){TEXT_TRACER, 0, hit->entry_text + (text >> 32), (unsigned)text};
}

/* The elements of a string argument; returns how many, the last one perhaps TEXT_NO_POINTER. */
static unsigned find_texts(struct up_hit *hit, const struct up_arg *arg, struct found *ret)
{
	uint64_t base;

	if (arg->source.code == UP_COMM_TOKEN) {
		*ret = (struct found){TEXT_TRACER, 0, hit->task->comm, hit->task->comm_size};
		return 1;
	}
	if (arg->source.code == UP_IMMSTR) {
		*ret = (struct found){TEXT_FAULT, 0, NULL, 0};
		return 1;
	}
	if (is_captured(arg)) {
		*ret = captured(hit, (unsigned)arg->source.param);
		return 1;
	}
	ret->state = TEXT_NO_POINTER;
	if (!arg->count) {
		if (up_fetch_address(hit, arg, arg->derefs, &base))
			find_at(hit, base + (uint64_t)arg->store_offset, ret);
		return 1;
	}
	if (!arg->derefs) {	/* an immediate: the first string, and then the kernel fails */
		find_at(hit, (uint64_t)arg->source.param + (uint64_t)arg->store_offset, ret);
		if (arg->count > 1)
			ret[1].state = TEXT_NO_POINTER;
		return arg->count > 1 ? 2 : 1;
	}
	if (!up_fetch_address(hit, arg, arg->derefs - 1u, &base))
		return 1;
	base += (uint64_t)arg->offsets[arg->derefs - 1];
	for (unsigned i = 0; i < arg->count; i++) {
		uint64_t pointer;
		ret[i].state = TEXT_NO_POINTER;
		if (!up_read_word(hit, base + hit->registers->width * i, &pointer))
			return i + 1;
		find_at(hit, pointer + (uint64_t)arg->store_offset, &ret[i]);
	}
	return arg->count;
}

static unsigned measure(const struct found *texts, unsigned count)
{
	unsigned total = 0;

	for (unsigned i = 0; i < count; i++) {
		if (texts[i].state == TEXT_NO_POINTER)
			return 0;
		total += measured(&texts[i]);
	}
	return total;
}

/* What the second pass writes when room bytes are left; its result, < 0: no string. */
static int copy_text(struct up_hit *hit, const struct found *text, char *to, unsigned room)
{
	unsigned size = text->size < room ? text->size : room - 1;

	if (text->tracer)
		memcpy(to, text->tracer, size);
	else if (size)
		hit->source->read(hit->source->context, text->address, to, size);
	if (text->size < room) {
		if (text->state == TEXT_FAULT)
			return -1;
		to[size] = 0;
		return (int)size + 1;
	}
	to[size] = 0;
	return text->state == TEXT_TRACER ? -1 : (int)room;
}

/* Copies one argument's strings; places are (position, length).  Returns the bytes consumed. */
static unsigned store_texts(struct up_hit *hit, const struct found *texts, unsigned count, unsigned position,
			    unsigned left, uint64_t *places)
{
	unsigned total = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned at = position + total, room = left - total;
		if (texts[i].state == TEXT_NO_POINTER) {
			places[i] = (uint64_t)at << 32 | room;
			return 0;
		}
		int result = room ? copy_text(hit, &texts[i], hit->area + at, room) : 0;
		unsigned length = result > 0 ? (unsigned)result : 0;
		places[i] = (uint64_t)at << 32 | length;
		total += length;
	}
	return total;
}

/* From (position, length) to what is shown: up to the first NUL of the area, or nothing. */
static void show_texts(struct up_hit *hit, uint64_t *cells, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned at = (unsigned)(cells[i] >> 32);
		if (!(uint32_t)cells[i]) {
			cells[i] = UP_NO_TEXT;
			continue;
		}
		const char *end = memchr(hit->area + at, 0, hit->area_size - at);
		unsigned size = end ? (unsigned)(end - hit->area) - at : hit->area_size - at;
		cells[i] = (uint64_t)at << 32 | size;
	}
}

static unsigned measure_all(struct up_hit *hit)
{
	struct found texts[UP_MAX_ARRAY];
	unsigned total = 0;

	for (unsigned i = 0; i < hit->program->count; i++) {
		const struct up_arg *arg = &hit->program->args[i];
		if (arg->kind == 't') {
			memset(texts, 0, sizeof(texts));
			total += measure(texts, find_texts(hit, arg, texts));
		}
	}
	return total < hit->program->room ? total : hit->program->room;
}

/* One string without an array, the common case: read straight into the area. */
static bool fetch_single(struct up_hit *hit, const struct up_arg *arg)
{
	uint64_t address;
	unsigned size;

	if (hit->program->texts != 1 || arg->count || arg->source.code == UP_COMM_TOKEN ||
	    arg->source.code == UP_IMMSTR || is_captured(arg) || hit->program->room < UP_MAX_STRING / 2)
		return false;
	hit->cells[arg->cell] = UP_NO_TEXT;
	if (!up_fetch_address(hit, arg, arg->derefs, &address))
		return true;
	enum text_state state =
		read_text(hit, address + (uint64_t)arg->store_offset, hit->area, &size);
	if (state != TEXT_END || size + 1 > hit->program->room)
		return false;	/* the two passes know what a kernel shows */
	hit->cells[arg->cell] = size;
	hit->area_size = size + 1;
	return true;
}

void up_fetch_texts(struct up_hit *hit)
{
	struct found texts[UP_MAX_ARRAY];
	const struct up_arg *args = hit->program->args;

	if (hit->texts_done)
		return;
	hit->texts_done = true;
	hit->area_size = 0;
	for (unsigned i = 0; hit->program->texts == 1 && i < hit->program->count; i++)
		if (args[i].kind == 't' && fetch_single(hit, &args[i]))
			return;
	unsigned left = hit->area_size = measure_all(hit), position = 0;
	memset(hit->area, 0, hit->area_size);
	for (unsigned i = 0; i < hit->program->count; i++) {
		if (args[i].kind != 't')
			continue;
		uint64_t *cells = hit->cells + args[i].cell;
		memset(cells, 0, sizeof(*cells) * (args[i].count ? args[i].count : 1));
		memset(texts, 0, sizeof(texts));
		unsigned count = find_texts(hit, &args[i], texts);
		unsigned consumed = store_texts(hit, texts, count, position, left, cells);
		position += consumed;
		left -= consumed;
	}
	for (unsigned i = 0; i < hit->program->count; i++)
		if (args[i].kind == 't')
			show_texts(hit, hit->cells + args[i].cell, args[i].count ? args[i].count : 1);
}
