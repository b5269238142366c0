/* Trapped and watched places by address: open addressing. */
#include "places_table.h"

#include "allocate.h"
#include "emulator.h"

static unsigned hash_of(uint64_t address)
{
	return (unsigned)((address >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

struct place *table_find(const struct glue *glue, uint64_t address)
{
	if (!glue->table)
		return NULL;
	for (unsigned slot = hash_of(address) & glue->table_mask; glue->table[slot];
	     slot = (slot + 1) & glue->table_mask)
		if (glue->table[slot]->address == address)
			return glue->table[slot];
	return NULL;
}

static void table_put(struct glue *glue, struct place *place)
{
	unsigned slot = hash_of(place->address) & glue->table_mask;

	while (glue->table[slot])
		slot = (slot + 1) & glue->table_mask;
	glue->table[slot] = place;
}

static bool table_resize(struct glue *glue, unsigned size)
{
	struct place **before = glue->table;
	unsigned old = before ? glue->table_mask + 1 : 0;
	struct place **table = up_allocate_zeroed(size, sizeof(*table));

	if (!table)
		return false;
	glue->table = table;
	glue->table_mask = size - 1;
	for (unsigned i = 0; i < old; i++)
		if (before[i])
			table_put(glue, before[i]);
	free(before);
	return true;
}

bool table_add(struct glue *glue, struct place *place)
{
	unsigned size = glue->table ? glue->table_mask + 1 : 0;

	if (2 * (glue->table_count + 1) > size && !table_resize(glue, size ? 2 * size : 64))
		return false;
	table_put(glue, place);
	glue->table_count++;
	return true;
}

/* Whether a place that hashes to home may lie at slot when hole is free: not if hole is on its way there. */
static bool may_stay(const struct glue *glue, unsigned home, unsigned hole, unsigned slot)
{
	return ((slot - home) & glue->table_mask) < ((slot - hole) & glue->table_mask);
}

/* Those behind it in its row move up, so that each is still found from where it hashes to. */
void table_remove(struct glue *glue, struct place *place)
{
	unsigned hole;

	glue->last_watch = 0;
	if (table_find(glue, place->address) != place)
		return;
	for (hole = hash_of(place->address) & glue->table_mask; glue->table[hole] != place;)
		hole = (hole + 1) & glue->table_mask;
	for (unsigned slot = (hole + 1) & glue->table_mask; glue->table[slot]; slot = (slot + 1) & glue->table_mask) {
		if (may_stay(glue, hash_of(glue->table[slot]->address) & glue->table_mask, hole, slot))
			continue;
		glue->table[hole] = glue->table[slot];
		hole = slot;
	}
	glue->table[hole] = NULL;
	glue->table_count--;
}
