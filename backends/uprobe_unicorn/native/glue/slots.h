/* Slots: where displaced instructions run. */
#ifndef UPROBE_SLOTS_H
#define UPROBE_SLOTS_H

#include "places_table.h"

/* Entries, one branch each, under one code hook; behind them the tails with the displaced instructions. */
struct area {
	uint64_t start, tails, end;
	uint64_t physical;
	struct place **places;	/* by entry */
	unsigned count, capacity;
	unsigned vacant;	/* no entry before it is free */
	size_t hook;
	struct glue *glue;
};

/* Bytes of an area with so many slots, whole pages. */
uint64_t area_size(unsigned slots);
struct area *area_create(struct glue *glue, uint64_t start, uint64_t physical, unsigned slots);
/* The places in it must be gone already. */
void area_destroy(struct area *area);
struct area *area_at(const struct glue *glue, uint64_t address);
/* Gives place a slot in area for the displaced word; returns the entry's address, 0 if it cannot be. */
uint64_t area_add(struct area *area, struct place *place, uint32_t word);
/* Takes place's slot back; outside of runs, so that no task is on its way through it. */
void area_forget(struct glue *glue, const struct place *place);
bool area_is_empty(const struct glue *glue, uint64_t address);
/*
 * If pc is in a slot: runs on until it is not, and returns where the task is as the program sees it.
 * *undone_ret: whether that is the displaced instruction, which was not executed.
 */
uint64_t slot_leave(struct glue *glue, uint64_t pc, bool faulted, bool *undone_ret);

#endif
