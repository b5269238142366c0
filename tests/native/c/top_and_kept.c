/* The slowest so far, and strings that are kept of an entry. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kept.h"
#include "scarce.h"
#include "top.h"
#include "world.h"

enum { VALUES = 500, ROOM = 17 };

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

TEST(the_largest_numbers_stay_and_equal_ones_that_come_later_do_not)
{
	struct up_top top;
	uint64_t values[VALUES], kept[ROOM];

	for (unsigned round = 0; round < 50; round++) {
		MUST(up_top_init(&top, ROOM));
		for (unsigned i = 0; i < VALUES; i++) {
			values[i] = next_random() % (round + 2);
			uint64_t least = top.count < ROOM ? 0 : top.items[0];
			MUST(up_top_takes(&top, values[i]) == (i < ROOM || values[i] > least));
		}
		qsort(values, VALUES, sizeof(*values), compare);
		memcpy(kept, top.items, sizeof(kept));
		qsort(kept, ROOM, sizeof(*kept), compare);
		MUST(top.count == ROOM && !memcmp(kept, values + VALUES - ROOM, sizeof(kept)));
		up_top_deinit(&top);
	}
}

TEST(a_list_without_memory_takes_nothing)
{
	struct up_top top;

	scarce_after(0);
	MUST(!up_top_init(&top, 5) && !up_top_takes(&top, 7));
	scarce_after(-1);
	up_top_deinit(&top);
}

/* The probe captures the string that register 5 points to. */
static void capture_text(struct world *world)
{
	uint8_t packed[4 + 8 + 3 * sizeof(struct up_op)] = {1, 0, 0, 0, 't', 0, 0, 3};
	const struct up_op ops[3] = {{.code = UP_REG, .param = 5}, {.code = UP_ST_STRING}, {.code = UP_END}};

	memcpy(packed + 12, ops, sizeof(ops));
	up_program_deinit(&world->probe.capture);
	MUST(up_program_init(&world->probe.capture, &world->engine.registers, packed, sizeof(packed), UP_MAX_RECORD - 4) == UP_MADE);
	up_site_prepare(&world->site);
}

static const char *kept_text(const struct world *world)
{
	struct up_kept *kept = world->task.pending.items[world->task.pending.count - 1].kept;

	return up_kept_text(kept) + (kept->words[0] >> 32);
}

TEST(a_string_is_kept_as_it_was_at_entry)
{
	struct world world;

	world_init(&world);
	world_chain(&world);
	capture_text(&world);
	world.registers[5] = 0x1000;
	strcpy((char *)world.memory, "as it was");
	MUST(world_call(&world, 0x1f00, 0x500));
	strcpy((char *)world.memory, "changed");
	MUST(!strcmp(kept_text(&world), "as it was"));
	MUST(world_return(&world, 0x1f00, 0x500));
	world_deinit(&world);
}

TEST(a_longer_string_finds_room_and_a_fork_has_its_own)
{
	struct world world;
	struct up_task child = {0};

	world_init(&world);
	world_chain(&world);
	capture_text(&world);
	world.registers[5] = 0x1000;
	for (unsigned size = 1; size < 2000; size *= 3) {
		memset(world.memory, 'a', size);
		world.memory[size] = 0;
		MUST(world_call(&world, 0x1f00 - size, 0x500));
		MUST(strlen(kept_text(&world)) == size);
	}
	MUST(up_task_inherit(&child, &world.task, &world.engine));
	MUST(world.cookies == 2 * world.task.pending.count);
	up_task_deinit(&child);
	world_deinit(&world);
}

TEST(a_call_whose_string_finds_no_memory_is_missed_for_that)
{
	struct world world;

	world_init(&world);
	capture_text(&world);
	world.registers[5] = 0x1000;
	memset(world.memory, 'a', 3000);
	scarce_after(1);
	MUST(!world_call(&world, 0x1f00, 0x500));
	scarce_after(-1);
	MUST(world.probe.missed[UP_MISSED_NO_MEMORY] == 1 && !world.task.pending.count);
	world_deinit(&world);
}

TEST(a_program_may_take_only_strings_for_strings)
{
	struct up_program program, numbers, texts;
	struct world world;
	uint8_t packed[4 + 8 + 3 * sizeof(struct up_op)] = {1, 0, 0, 0, 't', 0, 0, 3};
	struct up_op ops[3] = {{.code = UP_ENTRY, .param = 0}, {.code = UP_ST_STRING}, {.code = UP_END}};

	world_init(&world);
	memcpy(packed + 12, ops, sizeof(ops));
	MUST(up_program_init(&program, &world.engine.registers, packed, sizeof(packed), 100) == UP_MADE);
	ops[0] = (struct up_op){.code = UP_REG, .param = 5};
	memcpy(packed + 12, ops, sizeof(ops));
	MUST(up_program_init(&texts, &world.engine.registers, packed, sizeof(packed), 100) == UP_MADE);
	packed[4] = 'u';
	packed[5] = 8;
	ops[1] = (struct up_op){.code = UP_ST_RAW, .size = 8};
	memcpy(packed + 12, ops, sizeof(ops));
	MUST(up_program_init(&numbers, &world.engine.registers, packed, sizeof(packed), 100) == UP_MADE);
	MUST(up_program_finds(&program, &texts) && !up_program_finds(&program, &numbers));
	MUST(up_program_finds(&numbers, &program));
	up_program_deinit(&program);
	up_program_deinit(&numbers);
	up_program_deinit(&texts);
	world_deinit(&world);
}
