/* The largest of many numbers: how large one has to be to be among them. */
#ifndef UPROBE_TOP_H
#define UPROBE_TOP_H

#include "numbers.h"

/* A heap: the least of them comes first. */
struct up_top {
	uint64_t *items;
	unsigned count, room;
};

/* False: out of memory. */
bool up_top_init(struct up_top *top, unsigned room);
void up_top_deinit(struct up_top *top);
/* Whether value is among the room largest so far, of equal ones the first; it is then in their list. */
bool up_top_takes(struct up_top *top, uint64_t value);

#endif
