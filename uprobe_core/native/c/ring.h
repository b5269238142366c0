/* Records in one block of memory. */
#ifndef UPROBE_RING_H
#define UPROBE_RING_H

#include "numbers.h"

/* What stands before each record's cells and text. */
struct up_record {
	uint32_t size;		/* of all of it, a multiple of 8 */
	uint32_t sink;		/* who it is for */
	uint32_t who;		/* index of the task's name and numbers */
	uint32_t text_size;
	uint64_t time;		/* ns */
	uint64_t pc;
	uint64_t function;	/* of a return; else 0 */
};
#define UP_RECORD_LAYOUT "<IIIIQQQ"
_Static_assert(sizeof(struct up_record) == 40, "UP_RECORD_LAYOUT");

/* One block: records lie in [start, used). */
struct up_ring {
	char *bytes;
	size_t size, start, used;
	uint64_t records, dropped;
	uint64_t limit;		/* keep so many, the last ones, and count what made room; 0: lose nothing */
};

bool up_ring_init(struct up_ring *ring, size_t size);
void up_ring_deinit(struct up_ring *ring);
/* Forget the records; what was dropped stays counted. */
void up_ring_reset(struct up_ring *ring);
/* From now on keep the last limit records, or lose nothing (0); an empty ring only. */
void up_ring_keep(struct up_ring *ring, uint64_t limit);
/* Of a ring that keeps the last: makes room for one more record of size bytes; false: it cannot. */
bool up_ring_make_room(struct up_ring *ring, size_t size);

#endif
