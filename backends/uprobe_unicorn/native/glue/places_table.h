/* Trapped and watched places by address. */
#ifndef UPROBE_PLACES_TABLE_H
#define UPROBE_PLACES_TABLE_H

#include "site.h"

struct glue;

/* A probed or watched address. */
struct place {
	uint64_t address;
	struct up_site *site;	/* NULL: returns are watched here */
	bool watched;
	uint64_t tail;		/* of its slot; 0: it has none */
	uint32_t word;		/* that was displaced into it */
	bool core;		/* trapped: what the tail cannot do, or would not do exactly, the core does */
	bool steps;		/* the core does it in its XOL area, which has to be there before the tail is used */
	size_t hook;		/* its hook, when it is inline */
	bool by_block;		/* that is a block hook */
	bool then_python, after_python;	/* a hook of Python's at the same address is called later, earlier */
	struct glue *glue;
};

struct place *table_find(const struct glue *glue, uint64_t address);
/* False: out of memory. */
bool table_add(struct glue *glue, struct place *place);
void table_remove(struct glue *glue, struct place *place);

#endif
