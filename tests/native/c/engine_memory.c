/* The engine when memory is used up: what cannot be followed is missed for that reason, and nothing leaks. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "hit.h"
#include "record.h"
#include "scarce.h"
#include "world.h"

/* Entries = returns + missed + pending. */
static void adds_up(const struct world *world)
{
	const struct up_probe *probe = &world->probe;
	uint64_t sum = probe->returns + up_task_pending(&world->task, probe);

	for (unsigned i = 0; i < UP_MISSED_KINDS; i++)
		sum += probe->missed[i];
	MUST(probe->entries == sum);
}

static void only_missed(const struct world *world, int reason, uint64_t count)
{
	for (int i = 0; i < UP_MISSED_KINDS; i++)
		MUST(world->probe.missed[i] == (i == reason ? count : 0));
}

TEST(a_call_that_cannot_be_kept_is_missed_for_lack_of_memory)
{
	struct world world;

	world_init(&world);
	world_capture(&world);
	world_chain(&world);
	scarce_after(0);
	MUST(!world_call(&world, 0x1f00, 0x500));
	only_missed(&world, UP_MISSED_NO_MEMORY, 1);
	MUST(world.missed[UP_MISSED_NO_MEMORY] == 1);
	scarce_after(-1);
	MUST(world_call(&world, 0x1f00, 0x500));
	MUST(world_return(&world, 0x1f00, 0x500));
	MUST(world.probe.returns == 1);
	adds_up(&world);
	world_deinit(&world);
}

TEST(a_call_that_does_not_fit_the_list_is_missed_for_lack_of_memory)
{
	struct world world;

	world_init(&world);
	scarce_after(0);
	MUST(!world_call(&world, 0x1f00, 0x500));
	only_missed(&world, UP_MISSED_NO_MEMORY, 1);
	adds_up(&world);
	scarce_after(-1);
	world_deinit(&world);
}

TEST(calls_that_cannot_be_set_aside_are_missed_for_lack_of_memory)
{
	struct world world;

	world_init(&world);
	MUST(world_call(&world, 0x1e00, 0x500));
	scarce_after(0);
	MUST(world_call(&world, 0x1f00, 0x600));	/* above it: the first looks gone */
	only_missed(&world, UP_MISSED_NO_MEMORY, 1);
	adds_up(&world);
	scarce_after(-1);
	world_deinit(&world);
}

TEST(a_hijacked_call_without_memory_returns_where_it_came_from)
{
	struct world world;

	world_init(&world);
	world.engine.hijack = true;
	scarce_after(0);
	world_call(&world, 0x1f00, 0x500);
	MUST(world.registers[world.engine.registers.link] == 0x500);
	only_missed(&world, UP_MISSED_NO_MEMORY, 1);
	adds_up(&world);
	scarce_after(-1);
	world_deinit(&world);
}

TEST(a_hijacked_tail_call_without_memory_still_goes_through_the_trampoline)
{
	struct world world;

	world_init(&world);
	world.engine.hijack = true;
	for (unsigned i = 0; i < 32; i++)	/* as many as fit before the list grows */
		world_call(&world, 0x1f00 - 16 * i, i ? 0x500 + 4 * i : 0x500);
	MUST(world.task.pending.count == world.task.pending.capacity);
	scarce_after(0);
	world_call(&world, 0x1f00 - 16 * 31, 0x7000);
	MUST(world.registers[world.engine.registers.link] == 0x7000);
	only_missed(&world, UP_MISSED_NO_MEMORY, 1);
	scarce_after(-1);
	world_deinit(&world);
}

TEST(a_fork_without_memory_inherits_nothing_and_leaks_nothing)
{
	struct world world;
	struct up_task child;
	bool done = false;

	world_init(&world);
	world_capture(&world);
	world_chain(&world);
	for (unsigned i = 0; i < 40; i++)
		MUST(world_call(&world, 0x1f00 - 16 * i, 0x500 + 4 * i));
	for (unsigned i = 0; i < 3; i++)	/* suspects, too */
		world_call(&world, 0x1f80 + 16 * i, 0x900 + 4 * i);
	unsigned cookies = world.cookies;
	for (int n = 0; !done; n++) {
		memset(&child, 0, sizeof(child));
		scarce_after(n);
		done = up_task_inherit(&child, &world.task, &world.engine);
		scarce_after(-1);
		MUST(done || (!child.pending.count && !child.suspects.count && world.cookies == cookies));
		MUST(n < 200);
		while (world.engine.spare) {	/* so that the next round has to ask for each block again */
			struct up_kept *next = world.engine.spare->next;
			free(world.engine.spare);
			world.engine.spare = next;
		}
	}
	MUST(child.pending.count == world.task.pending.count && child.suspects.count == world.task.suspects.count);
	MUST(world.cookies == 2 * cookies);
	up_task_deinit(&child);
	world_deinit(&world);
}

TEST(an_engine_that_cannot_be_made_leaves_nothing)
{
	struct up_engine engine;
	int n = 0;

	for (scarce_after(n); !up_engine_init(&engine, 1 << 16); scarce_after(++n))
		MUST(n < 10);
	MUST(n > 1);
	scarce_after(-1);
	up_engine_deinit(&engine);
}

TEST(a_program_without_memory_is_not_called_unfit)
{
	static const uint8_t unfit[8] = {9};
	struct up_program program;
	struct world world;

	world_init(&world);
	MUST(up_program_init(&program, &world.engine.registers, unfit, sizeof(unfit), 0) == UP_REFUSED);
	uint8_t packed[4 + 8 + 3 * sizeof(struct up_op)] = {1, 0, 0, 0, 'u', 8, 0, 3};
	const struct up_op ops[3] = {{.code = UP_REG, .param = 5}, {.code = UP_ST_RAW, .size = 8}, {.code = UP_END}};
	memcpy(packed + 12, ops, sizeof(ops));
	for (int n = 0; n < 2; n++) {
		scarce_after(n);
		MUST(up_program_init(&program, &world.engine.registers, packed, sizeof(packed), 0) == UP_NO_MEMORY);
	}
	scarce_after(-1);
	MUST(up_program_init(&program, &world.engine.registers, packed, sizeof(packed), 0) == UP_MADE);
	up_program_deinit(&program);
	world_deinit(&world);
}

TEST(a_filter_without_memory_is_not_called_unfit)
{
	struct up_filter filter;
	struct world world;

	world_init(&world);
	for (int n = 0; n < 2; n++) {
		scarce_after(n);
		MUST(up_filter_init(&filter, NULL, 0, "", 0, &world.probe.program) == UP_NO_MEMORY);
	}
	scarce_after(-1);
	world_deinit(&world);
}

TEST(keys_that_find_no_memory_are_lost_and_the_others_stay)
{
	struct up_map map;
	uint64_t order = 0;
	unsigned made = 0;

	MUST(up_map_init(&map, true));
	for (int n = 0; n < 6; n++) {
		scarce_after(n);
		for (uint64_t key = 0; key < 400; key++) {
			struct up_entry *entry = up_map_at_number(&map, key, &order);
			made += entry && !entry->count;
			if (entry)
				entry->count++;
		}
		scarce_after(-1);
		MUST(made == map.count && order == made);
	}
	for (uint64_t key = 0; key < 64; key++)
		MUST(up_map_at_number(&map, key, &order)->count == 6);
	up_map_deinit(&map);
}

TEST(a_ring_that_cannot_grow_forgets_its_oldest_records_and_counts_them)
{
	struct world world;

	world_init(&world);
	up_ring_keep(&world.engine.ring, 1 << 20);
	scarce_after(0);
	for (unsigned i = 0; i < 4000; i++) {
		struct up_hit hit;
		up_hit_init(&hit, &world.source, &world.engine);
		hit.program = &world.probe.program;
		hit.address = hit.pc = i;
		MUST(up_write_record(&world.engine, 0, &hit));
	}
	scarce_after(-1);
	const struct up_ring *ring = &world.engine.ring;
	MUST(ring->dropped && ring->records + ring->dropped == 4000);
	const struct up_record *first = (const void *)(ring->bytes + ring->start);
	MUST(first->pc == ring->dropped);
	world_deinit(&world);
}
