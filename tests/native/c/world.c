#include "world.h"

#include <string.h>

#include "check.h"

static uint64_t reg(void *context, unsigned index)
{
	return ((struct world *)context)->registers[index];
}

static uint64_t vector(void *context, unsigned index)
{
	(void)context;
	return index;
}

static size_t read_memory(void *context, uint64_t address, void *ret, size_t size)
{
	struct world *world = context;

	if (address < 0x1000 || address >= 0x2000)
		return 0;
	size_t left = (size_t)(0x2000 - address), part = size < left ? size : left;
	memcpy(ret, world->memory + (address - 0x1000), part);
	return part;
}

static void set_reg(void *context, unsigned index, uint64_t value)
{
	((struct world *)context)->registers[index] = value;
}

static void enter(void *context, uint32_t chain, struct up_hit *hit, void **cookie_ret)
{
	struct world *world = context;

	(void)chain;
	(void)hit;
	world->cookies++;
	*cookie_ret = world;
}

static void leave(void *context, uint32_t chain, struct up_hit *hit, void *cookie)
{
	(void)chain;
	(void)hit;
	MUST(cookie == context);
}

static void missed(void *context, uint32_t chain, uint64_t function, int reason)
{
	struct world *world = context;

	(void)chain;
	MUST(function == world->site.address);
	world->missed[reason]++;
}

static void *copy(void *context, void *cookie)
{
	((struct world *)context)->cookies++;
	return cookie;
}

static void drop(void *context, void *cookie)
{
	MUST(cookie == context);
	((struct world *)context)->cookies--;
}

static uint64_t trampoline(void *context)
{
	(void)context;
	return 0x7000;
}

void world_init(struct world *world)
{
	static const uint8_t empty[4];

	memset(world, 0, sizeof(*world));
	MUST(up_engine_init(&world->engine, 1 << 16));
	world->engine.registers = (struct up_registers){.count = 14, .sp = 1, .pc = 0, .result = 3, .link = 2, .frame = 12,
							.width = 8};
	MUST(up_registers_prepare(&world->engine.registers));
	world->source = (struct up_source){world, world->registers, reg, vector, read_memory, set_reg, 14};
	world->engine.task = &world->task;
	world->engine.outside = (struct up_outside){world, enter, leave, missed, copy, drop, NULL, trampoline};
	MUST(up_program_init(&world->probe.program, &world->engine.registers, empty, sizeof(empty), 0) == UP_MADE);
	MUST(up_program_init(&world->probe.capture, &world->engine.registers, empty, sizeof(empty), 0) == UP_MADE);
	world->probe.enabled = world->probe.wants_returns = true;
	world->probes[0] = &world->probe;
	world->site = (struct up_site){.address = 0x400, .engine = &world->engine, .probes = world->probes, .count = 1};
	up_site_prepare(&world->site);
}

void world_capture(struct world *world)
{
	struct {
		uint32_t count;
		uint8_t kind, size, elements, ops;
		uint32_t reserved;
		struct up_op op[3];
	} __attribute__((packed)) packed = {
		1, 'u', 8, 0, 3, 0, {{.code = UP_REG, .param = 3}, {.code = UP_ST_RAW, .size = 8}, {.code = UP_END}},
	};

	up_program_deinit(&world->probe.capture);
	MUST(up_program_init(&world->probe.capture, &world->engine.registers, (const uint8_t *)&packed, sizeof(packed), 0) == UP_MADE);
	up_site_prepare(&world->site);
}

void world_chain(struct world *world)
{
	world->probe.chain = 1;
	world->probe.votes = UP_VOTES_ALL;
	up_site_prepare(&world->site);
}

bool world_call(struct world *world, uint64_t sp, uint64_t link)
{
	uint64_t watch = 0;

	const struct up_registers *is = &world->engine.registers;

	world->registers[is->sp] = sp;
	world->registers[is->link] = link;
	world->registers[is->pc] = world->site.address;
	bool watching = up_site_hit(&world->site, &world->source, &watch);
	MUST(!watching || watch == link);
	return watching;
}

bool world_return(struct world *world, uint64_t sp, uint64_t link)
{
	const struct up_registers *is = &world->engine.registers;

	world->registers[is->sp] = sp;
	world->registers[is->link] = world->registers[is->pc] = link;
	return up_return_hit(&world->engine, &world->source, link);
}

void world_deinit(struct world *world)
{
	up_task_deinit(&world->task);
	MUST(world->cookies == 0);
	up_program_deinit(&world->probe.program);
	up_program_deinit(&world->probe.capture);
	up_engine_deinit(&world->engine);
}
