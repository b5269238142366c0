/*
 * One engine with one task, whose registers are an array and whose memory is a page at 0x1000.
 *
 * They have numbers that no architecture of ours has: nothing in the engine may know one.
 */
#ifndef WORLD_H
#define WORLD_H

#include "api.h"

struct world {
	struct up_engine engine;
	struct up_source source;
	struct up_task task;
	struct up_probe probe;
	struct up_probe *probes[1];
	struct up_site site;
	uint64_t registers[40];
	uint8_t memory[4096];
	uint64_t missed[UP_MISSED_KINDS];	/* that functions outside were told of */
	unsigned cookies;			/* that are alive */
};

void world_init(struct world *world);
void world_deinit(struct world *world);
/* The probe wants returns and captures its first argument at entry. */
void world_capture(struct world *world);
/* The probe has functions outside, which leave cookies. */
void world_chain(struct world *world);
/* The task calls the probed function: the stack pointer and the link register as they are then; answers what up_site_hit does. */
bool world_call(struct world *world, uint64_t sp, uint64_t link);
/* It is at link with that SP. */
bool world_return(struct world *world, uint64_t sp, uint64_t link);

#endif
