/* From a hit to a record in the ring. */
#include "record.h"

#include <string.h>

#include "engine.h"
#include "fetch.h"

static bool make_room(struct up_engine *engine, size_t size)
{
	struct up_ring *ring = &engine->ring;

	if (ring->limit)
		return up_ring_make_room(ring, size);
	if (!engine->drain || !engine->drain(engine->drain_context))
		return false;
	return ring->size - ring->used >= size;
}

static void put_cells(const struct up_hit *hit, uint64_t *to)
{
	const struct up_program *program = hit->program;

	if (program->simple) {
		up_fetch_plain(hit->source, program, to);
		return;
	}
	for (unsigned i = 0; i < program->cells; i++)
		to[i] = hit->cells[i];
}

static inline bool write_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit, const uint64_t *more,
				unsigned count)
{
	struct up_ring *ring = &engine->ring;

	if (!hit->program->simple)
		up_fetch_all(hit);
	size_t cells = hit->program->cells * sizeof(uint64_t), words = count * sizeof(uint64_t);
	size_t text = hit->texts_done ? hit->area_size : 0;
	size_t size = (sizeof(struct up_record) + cells + words + text + 7) & ~(size_t)7;
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
	if (words)
		memcpy(to + cells, more, words);
	if (text)
		memcpy(to + cells + words, hit->area, text);
	ring->used += size;
	ring->records++;
	return true;
}

bool up_write_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit)
{
	return write_record(engine, sink, hit, NULL, 0);
}

bool up_write_longer_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit, const uint64_t *more,
			    unsigned count)
{
	return write_record(engine, sink, hit, more, count);
}
