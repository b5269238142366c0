/*
 * One input for the engine: probes, hits, returns, drains as its bytes say.
 *
 * With coverage: clang -g -O1 -std=c11 -fsanitize=fuzzer,address,undefined
 * -Iuprobe_core/native/c, these four files (engine_*.c) and the engine's without
 * its binding (native/c/python).  random_driver.c runs it without a fuzzer.
 */
#include "engine_world.h"

#include <stdlib.h>
#include <string.h>

static void add_probe(struct world *world, struct input *input)
{
	uint8_t packed[PACKED_ROOM], choice = take_byte(input);
	struct up_probe *probe = &world->probes[world->probe_count];
	const struct up_registers *registers = &world->engine.registers;

	if (world->probe_count == PROBES)
		return;
	memset(probe, 0, sizeof(*probe));
	size_t size = choice & 1 ? take_program(input, packed, 0) : 4;
	if (!(choice & 1))
		memset(packed, 0, size);
	unsigned room = choice & 2 ? UP_MAX_RECORD : take_byte(input);
	bool usable = up_program_init(&probe->capture, registers, packed, size, room) == UP_MADE;
	size = take_program(input, packed, probe->capture.cells);
	usable = usable && up_program_init(&probe->program, registers, packed, size, room) == UP_MADE;
	probe->is_return = choice & 4;
	if (usable && !probe->is_return) {	/* what is kept of it are its own values, or nothing */
		up_program_deinit(&probe->capture);
		if (choice & 16) {
			usable = up_program_init(&probe->capture, registers, packed, size, room) == UP_MADE &&
				 up_program_init(&probe->returned, registers, packed, size, room) == UP_MADE;
			up_program_give(&probe->returned);
		}
	}
	usable = usable && up_program_finds(&probe->program, &probe->capture);
	usable = usable && up_engine_reserve(&world->engine, probe->program.cells);
	if (!usable) {
		up_program_deinit(&probe->program);
		up_program_deinit(&probe->capture);
		up_program_deinit(&probe->returned);
		return;
	}
	probe->enabled = true;
	probe->wants_returns = choice & (4 | 8);
	world->probe_count++;
}

static bool take_filter(struct input *input, const struct up_program *program, struct up_filter *ret)
{
	uint8_t tests[MOST_TESTS * sizeof(struct up_test)];
	char texts[TEXTS_ROOM] = {0};
	size_t size = take_tests(input, program, tests);

	take_bytes(input, texts, sizeof(texts));
	return up_filter_init(ret, tests, size, texts, sizeof(texts), program) == UP_MADE;
}

static void add_action(struct world *world, struct input *input)
{
	struct up_action *action = &world->actions[world->action_count];
	unsigned number = take_byte(input);

	if (world->action_count == ACTIONS || !world->probe_count)
		return;
	number %= world->probe_count;
	const struct up_program *program = &world->probes[number].program;
	memset(action, 0, sizeof(*action));
	action->kind = take_byte(input) % (UP_GRAPH + 2);
	action->hist = take_byte(input) % (UP_SUB + 2);
	action->keys = take_byte(input) % (UP_MAX_KEY + 2);
	action->parameter = take_byte(input) & 1 ? take_value(input) : take_byte(input) % 20;
	action->sink = world->action_count;
	action->engine = &world->engine;
	for (unsigned i = 0; i < action->keys && i < UP_MAX_KEY; i++)
		action->key[i] = take_field(input, program);
	action->value = take_field(input, program);
	if (!take_filter(input, program, &action->filter))
		return;
	action->has_filter = action->filter.count;
	if (!up_action_fits(action, program) || !up_map_init(&action->map, up_action_has_stats(action))) {
		up_filter_deinit(&action->filter);
		return;
	}
	world->owner[world->action_count++] = number;
}

/* The actions of probe that choice picks, as the binding would set them. */
static struct up_action **pick_actions(struct world *world, unsigned probe, uint8_t choice, unsigned *count_ret)
{
	struct up_action **found = calloc(ACTIONS, sizeof(*found));

	MUST(found);
	*count_ret = 0;
	for (unsigned i = 0; i < world->action_count; i++)
		if (world->owner[i] == probe && (choice >> i % 8 & 1))
			found[(*count_ret)++] = &world->actions[i];
	return found;
}

static void set_probe(struct world *world, struct input *input)
{
	struct up_filter filter;
	unsigned number = take_byte(input);

	if (!world->probe_count)
		return;
	struct up_probe *probe = &world->probes[number % world->probe_count];
	if (!take_filter(input, &probe->program, &filter))
		return;
	up_filter_deinit(&probe->filter);
	free(probe->entry_actions);
	free(probe->return_actions);
	probe->filter = filter;
	probe->has_filter = filter.count;
	probe->enabled = number < 230;
	probe->entry_actions =
		pick_actions(world, number % world->probe_count, take_byte(input), &probe->entry_count);
	probe->return_actions =
		pick_actions(world, number % world->probe_count, take_byte(input), &probe->return_count);
	if (!probe->wants_returns)
		probe->return_count = 0;
	for (unsigned i = 0; i < world->site_count; i++)
		up_site_prepare(&world->sites[i]);
}

static void add_site(struct world *world, struct input *input)
{
	struct up_site *site = &world->sites[world->site_count];
	uint8_t choice = take_byte(input);

	if (world->site_count == SITES)
		return;
	memset(site, 0, sizeof(*site));
	site->probes = calloc(PROBES, sizeof(*site->probes));
	MUST(site->probes);
	site->address = 0x401000 + 0x10 * world->site_count;
	site->file_offset = site->address & 0xffff;
	site->engine = &world->engine;
	for (unsigned i = 0; i < world->probe_count; i++)
		if (choice >> i & 1)
			site->probes[site->count++] = &world->probes[i];
	up_site_prepare(site);
	world->site_count++;
}

static void set_registers(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	world->registers[choice % MOST_REGISTERS] = take_value(input);
	if (choice & 64)
		world->registers[world->engine.registers.sp] = 0x20000 + 16u * (take_byte(input) % 32u);
	if (choice & 128)
		world->registers[world->engine.registers.link] = 0x402000 + 4u * (take_byte(input) % 4u);
}

static void hit(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);
	unsigned times = choice & 64 ? take_byte(input) : 1;
	uint64_t watch;

	if (!world->site_count)
		return;
	struct up_site *site = &world->sites[choice % world->site_count];
	for (unsigned i = 0; i < times; i++) {
		if (up_site_hit(site, &world->source, &watch))
			MUST(watch == world->registers[world->engine.registers.link]);
		world->registers[choice >> 4 & 3] += choice & 128 ? 1 : 0;
	}
}

static void end_call(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	if (choice & 1)
		world->registers[world->engine.registers.sp] = 0x20000 + 16u * (choice >> 3);
	if (world->engine.hijack && choice & 4) {
		up_trampoline_hit(&world->engine, &world->source);
		return;
	}
	up_return_hit(&world->engine, &world->source, choice & 2 ? world->registers[world->engine.registers.link] : 0x402000 + 4u * (choice >> 6));
}

static void change_task(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	world->engine.task = &world->tasks[choice % TASKS];
	if (choice % 16 == 5)
		up_unwound(&world->engine, 0x20000, 0x20000 + 16u * (choice >> 3));
	if (choice >= 192)
		up_task_abandon(world->engine.task, choice % UP_MISSED_KINDS);
}

static void use_ring(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	check_ring(world);
	world->drained += world->engine.ring.records;
	world->drains_fail = choice & 1;
	up_ring_reset(&world->engine.ring);
	up_ring_keep(&world->engine.ring, choice & 2 ? choice >> 2 : 0);
}

static void take_results(struct world *world, struct input *input)
{
	uint8_t choice = take_byte(input);

	check_maps(world);
	if (!world->action_count)
		return;
	struct up_map *map = &world->actions[choice % world->action_count].map;
	up_map_zero(map);
	map->limit = choice & 128 ? choice & 63 : UINT32_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct world *, struct input *) = {
		hit, set_registers, add_probe, add_action, set_probe, add_site, end_call, hit,
		fill_page, change_task, use_ring, take_results, set_registers, hit, end_call, hit,
	};
	static struct world world;
	struct input input = {data, size};

	world_init(&world, &input);
	while (input.left)
		steps[take_byte(&input) % (sizeof(steps) / sizeof(*steps))](&world, &input);
	check_ring(&world);
	check_maps(&world);
	check_calls(&world);
	world_deinit(&world);
	return 0;
}
