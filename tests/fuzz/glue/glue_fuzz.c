/*
 * One input for the glue: places, slots, translations, hits and interrupts as its bytes say, on a fake emulator.
 *
 * Built as engine_fuzz.c is, with the glue's sources without its binding, and with fake_unicorn.c and world.c of
 * tests/native/c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fake_unicorn.h"
#include "fills.h"
#include "hooks.h"
#include "places_table.h"
#include "run.h"
#include "slots.h"
#include "world.h"

enum { PLACES = 24, PAGES = 32, SLOTS = 8 };
static const uint64_t TEXT = 0x480000, AREA = 0x400000, AREA_AT = 0x40000;

struct input {
	const uint8_t *at;
	size_t left;
};

struct state {
	struct world world;
	struct fake *fake;
	struct area *area;
	struct place places[PLACES];
	bool listed[PLACES], slotted[PLACES];
	uint64_t data[PAGES];	/* what each page is at, 0: unknown */
};

/* Scattered, so that some meet in the table. */
static uint64_t address_of(unsigned number)
{
	return TEXT + 4 * (number * number * UINT64_C(7919) % 4096);
}

_Noreturn void must(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
	abort();
}

static unsigned take(struct input *input, unsigned below)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++ % below;
}

static void change_place(struct state *state, struct input *input)
{
	unsigned number = take(input, PLACES);
	struct place *place = &state->places[number];

	if (!state->listed[number]) {
		MUST(table_add(&state->fake->glue, place));
	} else {
		glue_remove_inline(&state->fake->glue, place);
		table_remove(&state->fake->glue, place);
	}
	state->listed[number] = !state->listed[number];
}

static void change_slot(struct state *state, struct input *input)
{
	static const uint32_t words[] = {0xd503201f, 0x14000010, 0x94000008, 0x54000041, 0x10000020, 0xd65f03c0, 0x58000040, 0};
	unsigned number = take(input, PLACES);
	struct place *place = &state->places[number];

	if (state->slotted[number]) {
		area_forget(&state->fake->glue, place);
		MUST(area_is_empty(&state->fake->glue, place->tail));
		place->tail = 0;
		state->slotted[number] = false;
		return;
	}
	uint64_t entry = area_add(state->area, place, words[take(input, 8)]);
	state->slotted[number] = entry != 0;
	MUST(!entry || (entry >= AREA && entry < state->area->tails && place->tail >= state->area->tails));
}

static void change_data(struct state *state, struct input *input)
{
	unsigned first = take(input, PAGES), count = 1 + take(input, PAGES);
	bool adds = take(input, 2);
	uint64_t physical = (uint64_t)(1 + take(input, 64)) * GUEST_PAGE;

	count = count > PAGES - first ? PAGES - first : count;
	uint64_t start = (uint64_t)first * GUEST_PAGE, end = start + (uint64_t)count * GUEST_PAGE;
	if (adds)
		MUST(extents_add(&state->fake->glue.data, (struct extent){start, end, physical, PERM_READ}));
	else
		extents_drop(&state->fake->glue.data, start, end);
	for (unsigned i = 0; i < count; i++)
		state->data[first + i] = adds ? physical + (uint64_t)i * GUEST_PAGE : 0;
}

static void ask(struct state *state, struct input *input)
{
	unsigned page = take(input, PAGES);
	uint64_t address = (uint64_t)page * GUEST_PAGE + 16 * take(input, 255);
	struct uc_tlb_entry entry;
	char bytes[300];

	bool found = fake_fill(state->fake, address, UC_MEM_READ, &entry);
	MUST(found == (state->data[page] != 0));
	MUST(!found || entry.physical == state->data[page]);
	size_t got = glue_read(&state->fake->glue, address, bytes, sizeof(bytes));
	MUST(found ? got >= GUEST_PAGE - address % GUEST_PAGE || got == sizeof(bytes) : got == 0);
}

static void hit(struct state *state, struct input *input)
{
	struct place *place = &state->places[take(input, PLACES)];
	unsigned how = take(input, 4);

	state->fake->registers[30] = 0x500 + 4 * take(input, 4);
	state->fake->registers[GLUE_SP] = 0x8000 + 16 * (uint64_t)take(input, 16);
	if (how == 0 && !place->hook)
		MUST(!glue_add_inline(&state->fake->glue, place, false));
	if (how <= 1)
		fake_reach(state->fake, place->by_block ? UC_HOOK_BLOCK : UC_HOOK_CODE, place->address);
	state->fake->registers[GLUE_PC] = place->address;
	if (how == 2)
		fake_interrupt(state->fake, take(input, 14));
	if (how == 3)
		glue_run(&state->fake->glue, place->address, place->address, take(input, 3), 0);
}

static void leave(struct state *state, struct input *input)
{
	uint64_t pc = AREA + 4 * (uint64_t)take(input, 64) + (take(input, 2) ? state->area->tails - AREA : 0);

	state->fake->glue.event = take(input, 2) ? GLUE_HOOK : GLUE_NONE;
	state->fake->glue.hook_address = state->places[take(input, PLACES)].address;
	bool undone = false;
	uint64_t left = slot_leave(&state->fake->glue, pc, take(input, 2), &undone);
	MUST(left == pc || state->fake->registers[GLUE_PC] == left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct state *, struct input *) = {change_place, change_slot, change_data, ask, hit, leave};
	struct input input = {data, size};
	struct state *state = calloc(1, sizeof(*state));

	MUST(state);
	world_init(&state->world);
	state->world.engine.registers = (struct up_registers){.count = GLUE_PSTATE + 1, .sp = GLUE_SP, .pc = GLUE_PC,
							      .link = 30, .frame = 29, .width = 8};
	MUST(up_registers_prepare(&state->world.engine.registers));
	state->fake = fake_open(&state->world.engine);
	state->area = area_create(&state->fake->glue, AREA, AREA_AT, SLOTS);
	MUST(state->area);
	for (unsigned i = 0; i < PLACES; i++)
		state->places[i] = (struct place){.address = address_of(i), .site = &state->world.site,
						  .glue = &state->fake->glue};
	while (input.left) {
		steps[take(&input, 6)](state, &input);
		for (unsigned i = 0; i < PLACES; i++)
			MUST((table_find(&state->fake->glue, address_of(i)) == &state->places[i]) == state->listed[i]);
	}
	fake_close(state->fake);
	world_deinit(&state->world);
	free(state);
	return 0;
}
