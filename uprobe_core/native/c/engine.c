/* What all sites share: room for a hit, records, spare blocks. */
#include "engine.h"

#include <string.h>

#include "allocate.h"
#include "told.h"

enum { AREA_ROOM = UP_MAX_STRING + 64, FIRST_CELLS = 256 };

bool up_engine_init(struct up_engine *engine, size_t ring_size)
{
	memset(engine, 0, sizeof(*engine));
	engine->area = up_allocate(AREA_ROOM);
	if (engine->area && up_ring_init(&engine->ring, ring_size) && up_map_init(&engine->paths, false) &&
	    up_engine_reserve(engine, FIRST_CELLS))
		return true;
	up_engine_deinit(engine);
	return false;
}

void up_engine_deinit(struct up_engine *engine)
{
	free(engine->area);
	free(engine->cells);
	while (engine->spare) {
		struct up_kept *next = engine->spare->next;
		free(engine->spare);
		engine->spare = next;
	}
	up_told_deinit(engine);
	up_ring_deinit(&engine->ring);
	up_stacks_deinit(&engine->stacks);
	up_map_deinit(&engine->paths);
	memset(engine, 0, sizeof(*engine));
}

/* Room for the values of one hit. */
bool up_engine_reserve(struct up_engine *engine, unsigned cells)
{
	if (cells <= engine->cell_room)
		return true;
	uint64_t *room = up_reallocate(engine->cells, cells * sizeof(*room));
	if (!room)
		return false;
	engine->cells = room;
	engine->cell_room = cells;
	return true;
}
