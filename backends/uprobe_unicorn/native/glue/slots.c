/*
 * Slots: where displaced instructions run when a place is trapped or jumped from.
 *
 * An area has an entry for each slot, a branch to its tail; one code hook
 * covers all entries.  A place that is jumped from branches to its entry, one
 * that traps is sent to its tail.  The area is shown to fetches alone.
 */
#include "slots.h"

#include <string.h>

#include "allocate.h"
#include "emulator.h"
#include "fills.h"
#include "hooks.h"
#include "relocate.h"

enum { TAIL_BYTES = 4 * TAIL_WORDS, LEAVE_BRK = 0xd4200000 | 0xf0f0 << 5 };

/* --- areas ----------------------------------------------------------------------------- */

static uint64_t page_up(uint64_t size)
{
	return (size + GUEST_PAGE - 1) & ~(uint64_t)(GUEST_PAGE - 1);
}

/* Bytes of an area with so many slots, whole pages. */
uint64_t area_size(unsigned slots)
{
	return page_up(4 * (uint64_t)slots) + page_up((uint64_t)TAIL_BYTES * slots);
}

struct area *area_create(struct glue *glue, uint64_t start, uint64_t physical, unsigned slots)
{
	struct area **areas = up_reallocate(glue->areas, (glue->area_count + 1) * sizeof(*areas));
	if (!areas)
		return NULL;
	glue->areas = areas;
	struct area *area = up_allocate_zeroed(1, sizeof(*area));
	struct place **places = up_allocate_zeroed(slots, sizeof(*places));
	if (!area || !places)
		goto failed;
	*area = (struct area){.start = start, .tails = start + page_up(4 * (uint64_t)slots),
			      .end = start + area_size(slots), .physical = physical, .places = places,
			      .capacity = slots, .glue = glue};
	if (!extents_add(&glue->hidden, (struct extent){area->start, area->end, physical, PERM_EXEC}))
		goto failed;
	if (glue->uc.hook_add(glue->engine_handle, &area->hook, UC_HOOK_CODE, (void *)(uintptr_t)glue_on_entry, area,
			      area->start, area->tails - 1)) {
		extents_drop(&glue->hidden, area->start, area->end);
		goto failed;
	}
	memset(glue->arena + physical, 0, area_size(slots));
	areas[glue->area_count++] = area;
	return area;
failed:
	free(places);
	free(area);
	return NULL;
}

/* The places in it must be gone already. */
void area_destroy(struct area *area)
{
	struct glue *glue = area->glue;

	for (unsigned i = 0; i < glue->area_count; i++)
		if (glue->areas[i] == area)
			glue->areas[i] = glue->areas[--glue->area_count];
	glue->uc.hook_del(glue->engine_handle, area->hook);
	extents_drop(&glue->hidden, area->start, area->end);
	free(area->places);
	free(area);
}

struct area *area_at(const struct glue *glue, uint64_t address)
{
	for (unsigned i = 0; i < glue->area_count; i++)
		if (address >= glue->areas[i]->start && address < glue->areas[i]->end)
			return glue->areas[i];
	return NULL;
}

static uint32_t *host_word(const struct area *area, uint64_t address)
{
	return (uint32_t *)(void *)(area->glue->arena + area->physical + (address - area->start));
}

static unsigned free_entry(struct area *area)
{
	while (area->vacant < area->count && area->places[area->vacant])
		area->vacant++;
	return area->vacant;
}

uint64_t area_add(struct area *area, struct place *place, uint32_t word)
{
	uint32_t words[TAIL_WORDS], branch, reach;
	unsigned index = free_entry(area);

	memset(words, 0, sizeof(words));
	if (index == area->capacity)
		return 0;
	uint64_t entry = area->start + 4 * (uint64_t)index, tail = area->tails + (uint64_t)TAIL_BYTES * index;
	unsigned count = relocate(word, place->address, tail, words);
	if (!count || !branch_word(entry, tail, &branch) || !branch_word(place->address, entry, &reach))
		return 0;
	*host_word(area, entry) = branch;
	memcpy(host_word(area, tail), words, TAIL_BYTES);
	glue_forget_translations(area->glue, entry, entry + 4);
	glue_forget_translations(area->glue, tail, tail + TAIL_BYTES);
	area->places[index] = place;
	area->count = index < area->count ? area->count : index + 1;
	place->tail = tail;
	place->word = word;
	return entry;
}

/* Takes place's slot back; outside of runs, so that no task is on its way through it. */
void area_forget(struct glue *glue, const struct place *place)
{
	struct area *area = place->tail ? area_at(glue, place->tail) : NULL;

	if (!area)
		return;
	unsigned index = (unsigned)((place->tail - area->tails) / TAIL_BYTES);
	if (area->places[index] != place)
		return;
	uint64_t entry = area->start + 4 * (uint64_t)index;
	area->places[index] = NULL;
	area->vacant = index < area->vacant ? index : area->vacant;
	*host_word(area, entry) = 0;
	memset(host_word(area, place->tail), 0, TAIL_BYTES);
	glue_forget_translations(glue, entry, entry + 4);
	glue_forget_translations(glue, place->tail, place->tail + TAIL_BYTES);
}

/* Whether there is nothing at address but the area around it: no code of ours is 0, which is UDF. */
bool area_is_empty(const struct glue *glue, uint64_t address)
{
	const struct area *area = area_at(glue, address);

	return area && address % 4 == 0 && !*host_word(area, address);
}

/* --- leaving a slot ----------------------------------------------------------------------- */

/* Runs the rest of the tail at pc with breakpoints for its branches; the PC that it leaves to. */
static uint64_t run_out(struct glue *glue, const struct area *area, uint64_t pc)
{
	uint64_t tail = pc - (pc - area->tails) % TAIL_BYTES, target;
	uint32_t saved[TAIL_WORDS], *words = host_word(area, tail);
	int event = glue->event;

	memcpy(saved, words, sizeof(saved));
	for (unsigned i = 0; i < TAIL_WORDS; i++)
		if (branch_target(saved[i], tail + 4 * i, &target))
			words[i] = LEAVE_BRK;
	glue_forget_translations(glue, tail, tail + TAIL_BYTES);
	glue->uc.emu_start(glue->engine_handle, pc, 0, 0, 0);
	glue->event = event;
	memcpy(words, saved, sizeof(saved));
	glue_forget_translations(glue, tail, tail + TAIL_BYTES);
	return glue_reg(glue, GLUE_PC);
}

/* Follows what a branch at pc does without running it; false if it is no branch. */
static bool follow(struct glue *glue, const struct area *area, uint64_t *pc)
{
	uint32_t word = *host_word(area, *pc);

	if (branch_target(word, *pc, pc))
		return true;
	if ((word & 0xff9ffc1f) != 0xd61f0000 || (word & 0x00600000) == 0x00200000)
		return false;
	unsigned n = word >> 5 & 31;
	*pc = n == 31 ? 0 : glue_reg(glue, n);
	return true;
}

static uint64_t displaced_at(const struct area *area, uint64_t pc)
{
	const struct place *place = area->places[(pc - area->tails) / TAIL_BYTES];

	return place ? place->address : pc;
}

/* Whether the run ended at the hook of the place whose slot pc is in, before its instruction was executed. */
static bool is_before(const struct glue *glue, const struct area *area, uint64_t pc)
{
	bool in_tail = pc >= area->tails;
	unsigned index = (unsigned)(in_tail ? (pc - area->tails) / TAIL_BYTES : (pc - area->start) / 4);
	const struct place *place = index < area->count ? area->places[index] : NULL;

	return place && glue->event == GLUE_HOOK && glue->hook_address == place->address &&
	       (!in_tail || pc == place->tail);
}

uint64_t slot_leave(struct glue *glue, uint64_t pc, bool faulted, bool *undone_ret)
{
	const struct area *area = area_at(glue, pc);
	uint64_t start = pc;

	if (area && is_before(glue, area, pc)) {
		glue_set_reg(glue, GLUE_PC, glue->hook_address);
		return glue->hook_address;
	}
	while ((area = area_at(glue, pc)) != NULL) {
		uint64_t before = pc;
		if (!(faulted && pc >= area->tails) && !follow(glue, area, &pc))
			pc = run_out(glue, area, pc);
		if (pc == before) {	/* its instruction cannot be executed */
			*undone_ret = pc >= area->tails;
			pc = *undone_ret ? displaced_at(area, pc) : pc;
			break;
		}
	}
	if (pc != start)
		glue_set_reg(glue, GLUE_PC, pc);
	return pc;
}
