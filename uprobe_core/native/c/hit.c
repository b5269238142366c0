/* The beginning of a hit. */
#define _POSIX_C_SOURCE 200809L
#include "hit.h"

#include <time.h>

#include "engine.h"

void up_hit_init(struct up_hit *hit, const struct up_source *source, struct up_engine *engine)
{
	hit->source = source;
	hit->registers = &engine->registers;
	hit->block = 0;
	hit->now = engine->now;
	hit->latency = hit->insns = 0;
	hit->entry = NULL;
	hit->call = NULL;
	hit->entry_text = NULL;
	hit->task = engine->task;
	hit->engine = engine;
	hit->cells = engine->cells;
	hit->done[0] = hit->done[1] = 0;
	hit->area = engine->area;
	hit->area_size = 0;
	hit->texts_done = false;
}

/* A hit takes virtual time; without a virtual clock it happens when it happens. */
void up_tick(struct up_engine *engine)
{
	struct timespec now;

	engine->hits++;
	if (engine->host_clock && !clock_gettime(CLOCK_MONOTONIC, &now))
		engine->now = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
