/*
 * A scripted machine around the engine: registers, a few pages, tasks, probes,
 * all of them made from the bytes of one input.  For engine_fuzz.c.
 */
#ifndef ENGINE_WORLD_H
#define ENGINE_WORLD_H

#include "api.h"

enum { PROBES = 6, ACTIONS = 12, SITES = 6, TASKS = 3, PAGES = 4, PAGE = 4096, MOST_REGISTERS = 34 };

struct input {
	const uint8_t *at;
	size_t left;
};

struct world {
	struct up_engine engine;
	struct up_source source;
	struct up_probe probes[PROBES];
	struct up_action actions[ACTIONS];
	unsigned owner[ACTIONS];	/* probe that the action was made for */
	struct up_site sites[SITES];
	struct up_task tasks[TASKS];
	unsigned probe_count, action_count, site_count;
	uint64_t registers[MOST_REGISTERS];
	uint64_t vectors;
	uint8_t memory[PAGES][PAGE];
	uint64_t written, drained, calls;	/* records */
	bool drains_fail;
};

/* --- input (engine_input.c): once it is used up, everything is 0 --- */
uint8_t take_byte(struct input *input);
uint64_t take_number(struct input *input);
/* One of the numbers that matter: addresses at page ends, small ones, all ones, or any. */
uint64_t take_value(struct input *input);
size_t take_bytes(struct input *input, void *ret, size_t most);
/* A packed fetch program that mostly means something; returns its size. */
size_t take_program(struct input *input, uint8_t *ret, unsigned captured);
enum { MOST_ARGS = 8, PACKED_ROOM = 4 + MOST_ARGS * (8 + UP_MAX_OPS * 16) };
struct up_field take_field(struct input *input, const struct up_program *program);
size_t take_tests(struct input *input, const struct up_program *program, uint8_t *ret);
enum { MOST_TESTS = 6, TEXTS_ROOM = 24 };

/* --- the machine (engine_world.c) --- */
void world_init(struct world *world, struct input *input);
void world_deinit(struct world *world);
void fill_page(struct world *world, struct input *input);

/* --- what must hold (engine_checks.c); what does not ends the process --- */
void check_ring(struct world *world);
void check_maps(struct world *world);
void check_calls(struct world *world);
#define MUST(condition) ((condition) ? (void)0 : must(#condition, __FILE__, __LINE__))
_Noreturn void must(const char *condition, const char *file, int line);

#endif
