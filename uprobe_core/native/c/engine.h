/* One engine: the running task, the clock, what all sites share. */
#ifndef UPROBE_ENGINE_H
#define UPROBE_ENGINE_H

#include "calls.h"
#include "map.h"
#include "register_numbers.h"
#include "ring.h"
#include "stacks.h"

struct up_action;
struct up_hit;

/*
 * Chains are functions outside for a call's beginning, its return and its loss; what the first left, the
 * cookie, the second gets.  A cookie belongs to whom it was given to.
 */
struct up_outside {
	void *context;
	/* Sets the engine's vote, if it votes. */
	void (*enter)(void *context, uint32_t chain, struct up_hit *hit, void **cookie_ret);
	void (*leave)(void *context, uint32_t chain, struct up_hit *hit, void *cookie);
	void (*missed)(void *context, uint32_t chain, uint64_t function, int reason);
	void *(*copy)(void *context, void *cookie);
	void (*drop)(void *context, void *cookie);
	/* All consumers of the site at address voted for its removal. */
	void (*vote_out)(void *context, uint64_t address);
	/* The trampoline of the running task's process, made if there is none; 0: there cannot be one. */
	uint64_t (*trampoline)(void *context);
};

struct up_engine {
	struct up_registers registers;	/* set before anything else is asked for */
	/* Set by who brings a hit, before each: ns on the run's clock, and instructions executed so far. */
	uint64_t now, work;
	bool host_clock;	/* the host's clock is read instead */
	uint64_t order;		/* of first sight of keys */
	uint64_t hits;
	struct up_task *task;	/* the running one */
	uint64_t *cells;
	unsigned cell_room;
	struct up_kept *spare;
	struct up_told *spare_told;
	unsigned kept_room;	/* words of the largest that any site needs */
	char *area;
	struct up_ring ring;
	/* Empties the ring; NULL or false: records are dropped and counted. */
	bool (*drain)(void *context);
	void *drain_context;
	/* Called for UP_CALL actions: a Python handler. */
	void (*call)(void *context, struct up_action *action, struct up_hit *hit);
	void *call_context;
	struct up_outside outside;
	struct up_call *returning;	/* the call whose return is looked at */
	unsigned vote;		/* of the probe whose handlers run */
	bool called;		/* something outside was called, which may have changed the task */

	/* Hijack: the address that the link register gets, 0: not known in the running task's process; calls pending at most. */
	bool hijack;
	uint64_t trampoline;
	unsigned depth;		/* 0: no limit */
	bool sees_jumps;	/* of the running task's process: who calls longjmp is seen */
	/* The interpreter lock is held although guest code runs: see module_handlers.c. */
	bool holds_lock;
	struct up_stacks stacks;
	/* Paths of calls by number: the path that a call was made in, and its place.  Followed if somebody asks. */
	bool follows_paths;
	struct up_map paths;
};

bool up_engine_init(struct up_engine *engine, size_t ring_size);
void up_engine_deinit(struct up_engine *engine);
/* Room for the values of one hit. */
bool up_engine_reserve(struct up_engine *engine, unsigned cells);
/* A hit takes virtual time; without a virtual clock it happens when it happens. */
void up_tick(struct up_engine *engine);

/* Instructions that the running task has executed; differences alone mean something. */
static inline uint64_t up_task_work(const struct up_engine *engine)
{
	return engine->work - engine->task->elsewhere;
}

#endif
