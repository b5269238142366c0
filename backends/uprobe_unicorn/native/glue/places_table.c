/* Trapped and watched places by address: open addressing. */
#include "places_table.h"

#include <stdlib.h>

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
	struct place **table = calloc(size, sizeof(*table));

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

void table_remove(struct glue *glue, struct place *place)
{
	glue->last_watch = 0;
	if (table_find(glue, place->address) != place)
		return;
	unsigned size = glue->table_mask + 1;
	for (unsigned i = 0; i < size; i++)
		if (glue->table[i] == place)
			glue->table[i] = NULL;
	glue->table_count--;
	table_resize(glue, size);
}
