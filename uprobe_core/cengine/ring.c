/*
 * Records: one block of memory that fills up and is handed over whole.
 *
 * When the next record does not fit, the engine asks for a drain and starts
 * again at the beginning, so that nothing is lost and a reader sees plain
 * memory, one record after the other.  A lossy ring drops and counts instead.
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

static bool make_room(struct up_engine *engine, size_t size)
{
	struct up_ring *ring = &engine->ring;

	if (ring->lossy && ring->limit && ring->records >= ring->limit)
		return false;
	if (ring->size - ring->used >= size)
		return true;
	if (ring->lossy || !engine->drain || !engine->drain(engine->drain_context))
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
	if (ring->size - ring->used < size || ring->lossy) {
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
