/*
 * Records: one block of memory that fills up and is handed over whole.
 *
 * When the next record does not fit, the engine asks for a drain and starts
 * again at the beginning, so that nothing is lost and a reader sees plain
 * memory, one record after the other: a slow reader makes the program wait.
 *
 * A ring with a limit keeps the last records and asks nobody: the oldest make
 * room and are counted.  It grows until it holds as many as it may keep; then
 * what is left moves to the front whenever the first half is free, so that
 * each byte moves at most once and a reader still sees plain memory.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

bool up_ring_init(struct up_ring *ring, size_t size)
{
	memset(ring, 0, sizeof(*ring));
	ring->bytes = malloc(size);
	ring->size = size;
	return ring->bytes != NULL;
}

void up_ring_deinit(struct up_ring *ring)
{
	free(ring->bytes);
	memset(ring, 0, sizeof(*ring));
}

void up_ring_reset(struct up_ring *ring)
{
	ring->start = ring->used = 0;
	ring->records = 0;
}

void up_ring_keep(struct up_ring *ring, uint64_t limit)
{
	ring->limit = limit;
}

static void forget_oldest(struct up_ring *ring)
{
	const struct up_record *oldest = (const void *)(ring->bytes + ring->start);

	ring->start += oldest->size;
	ring->records--;
	ring->dropped++;
	if (!ring->records)
		up_ring_reset(ring);
}

static bool grow(struct up_ring *ring)
{
	char *bytes = ring->size <= SIZE_MAX / 2 ? realloc(ring->bytes, 2 * ring->size) : NULL;

	if (!bytes)
		return false;
	ring->bytes = bytes;
	ring->size *= 2;
	return true;
}

/* Of a ring that keeps the last records. */
static bool make_room_for_last(struct up_ring *ring, size_t size)
{
	while (ring->records >= ring->limit)
		forget_oldest(ring);
	while (ring->size - ring->used < size) {
		if (ring->start >= ring->size / 2) {
			ring->used -= ring->start;
			memmove(ring->bytes, ring->bytes + ring->start, ring->used);
			ring->start = 0;
		} else if (!grow(ring)) {
			if (!ring->records)
				return false;
			forget_oldest(ring);
		}
	}
	return true;
}

static bool make_room(struct up_engine *engine, size_t size)
{
	struct up_ring *ring = &engine->ring;

	if (ring->limit)
		return make_room_for_last(ring, size);
	if (!engine->drain || !engine->drain(engine->drain_context))
		return false;
	return ring->size - ring->used >= size;
}

static void put_cells(const struct up_hit *hit, uint64_t *to)
{
	const struct up_program *program = hit->program;

	if (!program->simple) {
		for (unsigned i = 0; i < program->cells; i++)
			to[i] = hit->cells[i];
		return;
	}
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_plain *plain = &program->plain[i];
		uint64_t value = up_source_register(hit->source, (unsigned)plain->reg);
		to[i] = ((value & plain->mask) ^ plain->sign) - plain->sign;
	}
}

/* Appends the hit with all values of its program; false: dropped, and counted. */
bool up_write_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit)
{
	struct up_ring *ring = &engine->ring;

	if (!hit->program->simple)
		up_fetch_all(hit);
	size_t cells = hit->program->cells * sizeof(uint64_t);
	size_t text = hit->texts_done ? hit->area_size : 0;
	size_t size = (sizeof(struct up_record) + cells + text + 7) & ~(size_t)7;
	if (ring->size - ring->used < size || ring->limit) {
		if (!make_room(engine, size)) {
			ring->dropped++;
			return false;
		}
	}
	char *to = ring->bytes + ring->used;
	*(struct up_record *)(void *)to = (struct up_record){
		.size = (uint32_t)size,
		.sink = sink,
		.who = hit->task->who,
		.text_size = (uint32_t)text,
		.time = hit->now,
		.pc = hit->pc,
		.function = hit->entry ? hit->address : 0,
	};
	to += sizeof(struct up_record);
	put_cells(hit, (uint64_t *)(void *)to);
	if (text)
		memcpy(to + cells, hit->area, text);
	ring->used += size;
	ring->records++;
	return true;
}
