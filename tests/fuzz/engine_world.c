/* The machine: memory that ends, registers in place or behind a function, a reader that may fail. */
#include "engine_world.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t bases[PAGES] = {0x10000, 0x11000, 0x13000, 0x20000};

static uint64_t read_register(void *context, unsigned index)
{
	MUST(index < ((const struct world *)context)->engine.registers.count);
	return ((struct world *)context)->registers[index];
}

static uint64_t read_vector(void *context, unsigned index)
{
	MUST(index < 32);
	return ((struct world *)context)->vectors * (index + 1);
}

static size_t read_memory(void *context, uint64_t address, void *ret, size_t size)
{
	struct world *world = context;
	size_t done = 0;

	while (done < size) {
		uint64_t at = address + done;
		unsigned page = 0;
		while (page < PAGES && bases[page] != (at & -(uint64_t)PAGE))
			page++;
		if (page == PAGES)
			break;
		size_t part = PAGE - at % PAGE < size - done ? PAGE - at % PAGE : size - done;
		memcpy((char *)ret + done, world->memory[page] + at % PAGE, part);
		done += part;
	}
	return done;
}

void fill_page(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input), *page = world->memory[choice % PAGES];
	uint64_t number = take_value(input);

	switch (choice >> 2 & 3) {
	case 0:
		memset(page, take_byte(input), PAGE);
		break;
	case 1:
		for (unsigned i = 0; i < PAGE / 8; i++, number += 24)
			memcpy(page + 8 * i, &number, 8);
		break;
	case 2:
		for (unsigned i = 0; i < PAGE; i++)
			page[i] = i % (number % 61 + 2) ? 'a' + i % 26 : 0;
		break;
	default:
		take_bytes(input, page + number % (PAGE - 64), 64);
	}
}

static void write_register(void *context, unsigned index, uint64_t value)
{
	struct world *world = context;

	world->registers[index] = value;
}

static bool drain(void *context)
{
	struct world *world = context;

	if (world->drains_fail)
		return false;
	check_ring(world);
	world->drained += world->engine.ring.records;
	up_ring_reset(&world->engine.ring);
	return true;
}

/* A handler looks at everything that it may. */
static void call(void *context, struct up_action *action, struct up_hit *hit)
{
	struct world *world = context;
	uint64_t sum = 0;

	(void)action;
	up_fetch_all(hit);
	for (unsigned i = 0; i < hit->program->cells; i++)
		sum += hit->cells[i];
	for (unsigned i = 0; i < hit->registers->count; i++)
		sum += up_register(hit, i);
	world->calls += sum != 1;
}

static const struct up_registers USUAL = {.count = MOST_REGISTERS, .sp = 31, .pc = 32, .link = 30, .frame = 29, .width = 8};
static const struct up_registers ODD = {.count = 14, .sp = 1, .result = 3, .link = 2, .frame = UP_NO_REGISTER, .width = 8};
static const struct up_registers NARROW = {.count = 14, .sp = 1, .result = 3, .link = 2, .frame = 12, .width = 4};

void world_init(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	memset(world, 0, sizeof(*world));
	MUST(up_engine_init(&world->engine, 2 * (UP_MAX_RECORD + UP_MAX_ARGS * UP_MAX_ARRAY * 8)));
	world->engine.registers = choice & 32 ? ODD : (choice & 64 ? NARROW : USUAL);
	MUST(up_registers_prepare(&world->engine.registers));
	world->engine.host_clock = choice & 1;
	world->engine.drain = choice & 2 ? drain : NULL;
	world->engine.drain_context = world->engine.call_context = world;
	world->engine.call = call;
	world->source = (struct up_source){world, choice & 4 ? world->registers : NULL, read_register, read_vector,
					   read_memory, write_register, choice & 128 ? world->engine.registers.count : 1};
	world->engine.hijack = choice & 8;
	world->engine.trampoline = 0x7f0000;
	world->engine.depth = choice & 16 ? 4 : 0;
	for (unsigned i = 0; i < TASKS; i++) {
		struct up_task *task = &world->tasks[i];
		task->pid = task->tid = 100 + i;
		task->who = i;
		task->comm_size = 5 * i;
		memcpy(task->comm, "loop-of-a-task", task->comm_size);
	}
	world->engine.task = world->tasks;
	world->vectors = take_value(input);
}

static void deinit_probe(struct up_probe *probe)
{
	up_program_deinit(&probe->program);
	up_program_deinit(&probe->capture);
	up_program_deinit(&probe->returned);
	up_filter_deinit(&probe->filter);
	free(probe->entry_actions);
	free(probe->return_actions);
}

void world_deinit(struct world *world)
{
	for (unsigned i = 0; i < TASKS; i++) {
		up_task_deinit(&world->tasks[i]);
	}
	for (unsigned i = 0; i < world->probe_count; i++)
		deinit_probe(&world->probes[i]);
	for (unsigned i = 0; i < world->action_count; i++) {
		up_filter_deinit(&world->actions[i].filter);
		up_map_deinit(&world->actions[i].map);
		up_top_deinit(&world->actions[i].top);
	}
	for (unsigned i = 0; i < world->site_count; i++)
		free(world->sites[i].probes);
	up_engine_deinit(&world->engine);
}
