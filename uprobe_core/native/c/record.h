/* From a hit to a record in the ring. */
#ifndef UPROBE_RECORD_H
#define UPROBE_RECORD_H

#include "numbers.h"

struct up_engine;
struct up_hit;

/* Appends the hit with all values of its program; false: dropped, and counted. */
bool up_write_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit);
/* The same with count more words behind its cells. */
bool up_write_longer_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit, const uint64_t *more,
			    unsigned count);

#endif
