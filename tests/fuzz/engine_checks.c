/* What must hold whatever the input. */
#include "engine_world.h"
#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void must(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

static void check_texts(const struct up_program *program, const uint64_t *cells, uint32_t text_size)
{
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_arg *arg = &program->args[i];
		for (unsigned j = 0; arg->kind == 't' && j < (arg->count ? arg->count : 1); j++) {
			uint64_t cell = cells[arg->cell + j];
			MUST(cell == UP_NO_TEXT || (cell >> 32) + (uint32_t)cell <= text_size);
		}
	}
}

/* Records lie one behind the other, are in order of time, and hold what their header says. */
void check_ring(struct world *world)
{
	const struct up_ring *ring = &world->engine.ring;
	uint64_t time = 0, count = 0;

	MUST(ring->start <= ring->used && ring->used <= ring->size);
	for (size_t at = ring->start; at < ring->used; count++) {
		struct up_record head;
		uint64_t cells[UP_MAX_ARGS * UP_MAX_ARRAY];
		memcpy(&head, ring->bytes + at, sizeof(head));
		MUST(head.sink < world->action_count && head.who < TASKS && head.time >= time);
		const struct up_program *program = &world->probes[world->owner[head.sink]].program;
		size_t size = sizeof(head) + program->cells * sizeof(*cells) + head.text_size;
		MUST(head.size % 8 == 0 && head.size >= size && head.size < size + 8 && head.size <= ring->used - at);
		memcpy(cells, ring->bytes + at + sizeof(head), program->cells * sizeof(*cells));
		check_texts(program, cells, head.text_size);
		time = head.time;
		at += head.size;
	}
	MUST(count == ring->records);
	MUST(!ring->limit || count <= ring->limit);
}

/* Every key is found again, in the order in which it was first seen. */
void check_maps(struct world *world)
{
	for (unsigned i = 0; i < world->action_count; i++) {
		struct up_map *map = &world->actions[i].map;
		uint64_t order = world->engine.order, before = 0;
		for (uint32_t j = 0; j < map->count; j++) {
			const struct up_entry *entry = &map->entries[j];
			MUST(entry->order < order && (j == 0 || entry->order > before));
			before = entry->order;
			MUST(up_map_at(map, map->keys + entry->key_at, entry->key_size, &order) == entry);
		}
		MUST(order == world->engine.order);
	}
}

/* Every entry has returned, is known to be missed, or is pending. */
void check_calls(struct world *world)
{
	for (unsigned i = 0; i < world->probe_count; i++) {
		const struct up_probe *probe = &world->probes[i];
		uint64_t ended = probe->returns;
		for (unsigned j = 0; j < UP_MISSED_KINDS; j++)
			ended += probe->missed[j];
		for (unsigned j = 0; j < TASKS; j++)
			ended += up_task_pending(&world->tasks[j], probe);
		MUST(!probe->wants_returns || probe->entries == ended);
		MUST(probe->hits >= probe->entries);
	}
}
