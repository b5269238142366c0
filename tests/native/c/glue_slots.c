/* Slots and what is put into them. */
#include <string.h>

#include "check.h"
#include "fake_unicorn.h"
#include "places_table.h"
#include "relocate.h"
#include "scarce.h"
#include "slots.h"

enum { NOP = (int)0xd503201f, SLOTS = 16 };
static const uint64_t START = 0x400000, PHYSICAL = 0x8000;

static uint32_t word_at(const struct fake *fake, uint64_t address)
{
	uint32_t word;

	memcpy(&word, fake->memory + PHYSICAL + (address - START), sizeof(word));
	return word;
}

static struct place placed(struct fake *fake, uint64_t address)
{
	return (struct place){.address = address, .glue = &fake->glue};
}

TEST(branches_reach_128_mib_and_no_further)
{
	const uint64_t from = UINT64_C(1) << 32, reach = UINT64_C(1) << 27;
	uint64_t target;
	uint32_t word;

	MUST(branch_word(from, from + reach - 4, &word) && branch_target(word, from, &target) && target == from + reach - 4);
	MUST(branch_word(from, from - reach, &word) && branch_target(word, from, &target) && target == from - reach);
	MUST(!branch_word(from, from + reach, &word) && !branch_word(from, from - reach - 4, &word));
}

TEST(what_is_no_branch_has_no_target)
{
	uint64_t target;

	MUST(!branch_target((uint32_t)NOP, 0x1000, &target));
	MUST(!branch_target(0x94000001, 0x1000, &target));	/* BL */
	MUST(!branch_target(0x54000020, 0x1000, &target));	/* B.EQ */
}

TEST(a_slot_holds_the_displaced_word_and_the_way_back)
{
	struct fake *fake = fake_open(NULL);
	struct area *area = area_create(&fake->glue, START, PHYSICAL, SLOTS);
	struct place place = placed(fake, 0x480000);
	uint64_t target;

	uint64_t entry = area_add(area, &place, (uint32_t)NOP);
	MUST(entry == START && area_at(&fake->glue, entry) == area);
	MUST(branch_target(word_at(fake, entry), entry, &target) && target == place.tail);
	MUST(word_at(fake, place.tail) == (uint32_t)NOP);
	MUST(branch_target(word_at(fake, place.tail + 4), place.tail + 4, &target) && target == place.address + 4);
	MUST(fake->forgotten == 2);
	fake_close(fake);
}

TEST(a_slot_that_was_given_back_is_empty_and_used_again)
{
	struct fake *fake = fake_open(NULL);
	struct area *area = area_create(&fake->glue, START, PHYSICAL, SLOTS);
	struct place places[SLOTS + 1];

	for (unsigned i = 0; i <= SLOTS; i++) {
		places[i] = placed(fake, 0x480000 + 4 * i);
		MUST((area_add(area, &places[i], (uint32_t)NOP) != 0) == (i < SLOTS));
	}
	area_forget(&fake->glue, &places[5]);
	MUST(area_is_empty(&fake->glue, START + 4 * 5) && area_is_empty(&fake->glue, places[5].tail));
	MUST(!area_is_empty(&fake->glue, START + 4 * 4));
	MUST(area_add(area, &places[SLOTS], (uint32_t)NOP) == START + 4 * 5);
	fake_close(fake);
}

TEST(a_place_out_of_reach_gets_no_slot)
{
	struct fake *fake = fake_open(NULL);
	struct area *area = area_create(&fake->glue, START, PHYSICAL, SLOTS);
	struct place place = placed(fake, START + (UINT64_C(1) << 30));

	MUST(!area_add(area, &place, (uint32_t)NOP) && !place.tail);
	fake_close(fake);
}

TEST(slots_are_shown_to_fetches_alone)
{
	struct fake *fake = fake_open(NULL);
	struct uc_tlb_entry entry;

	area_create(&fake->glue, START, PHYSICAL, SLOTS);
	MUST(fake_fill(fake, START, UC_MEM_FETCH, &entry) && entry.physical == PHYSICAL && entry.perms == PERM_EXEC);
	MUST(!fake_fill(fake, START, UC_MEM_READ, &entry) && fake->refused_fill == START);
	MUST(!fake_fill(fake, START, UC_MEM_WRITE, &entry));
	fake_close(fake);
}

TEST(an_area_that_cannot_be_made_leaves_nothing)
{
	struct fake *fake = fake_open(NULL);
	int n = 0;

	for (scarce_after(0); !area_create(&fake->glue, START, PHYSICAL, SLOTS); scarce_after(++n))
		MUST(!fake->glue.area_count && !fake->glue.hidden.count && !fake_hooks(fake, UC_HOOK_CODE) && n < 8);
	scarce_after(-1);
	area_destroy(fake->glue.areas[0]);
	fake->refuse = 1;
	MUST(!area_create(&fake->glue, START, PHYSICAL, SLOTS));
	MUST(!fake->glue.area_count && !fake->glue.hidden.count);
	fake_close(fake);
}

TEST(a_task_in_a_slot_is_seen_at_its_instruction_when_that_faults)
{
	struct fake *fake = fake_open(NULL);
	struct area *area = area_create(&fake->glue, START, PHYSICAL, SLOTS);
	struct place place = placed(fake, 0x480000);
	bool undone = false;

	area_add(area, &place, (uint32_t)NOP);
	MUST(slot_leave(&fake->glue, place.tail, true, &undone) == place.address && undone);
	MUST(fake->registers[GLUE_PC] == place.address);
	fake_close(fake);
}

TEST(a_task_behind_its_displaced_instruction_is_seen_behind_it)
{
	struct fake *fake = fake_open(NULL);
	struct area *area = area_create(&fake->glue, START, PHYSICAL, SLOTS);
	struct place place = placed(fake, 0x480000);
	bool undone = false;

	area_add(area, &place, (uint32_t)NOP);
	MUST(slot_leave(&fake->glue, place.tail + 4, false, &undone) == place.address + 4);
	MUST(slot_leave(&fake->glue, 0x500000, false, &undone) == 0x500000 && !undone);
	fake_close(fake);
}
