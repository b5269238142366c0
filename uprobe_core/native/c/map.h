/* Keyed maps: counts and stats by key, in the order of first sight. */
#ifndef UPROBE_MAP_H
#define UPROBE_MAP_H

#include "numbers.h"

struct up_stat {
	__extension__ __int128 sum, low, high;
	double float_sum, float_low, float_high;
};

/* One key's entry; entries stay in the order in which they were made. */
struct up_entry {
	uint64_t hash;
	uint64_t order;		/* of first sight, over all maps of an engine */
	uint64_t count;
	uint64_t high;		/* of latencies: the longest */
	uint32_t key_at, key_size;
};

struct up_map {
	struct up_entry *entries;
	struct up_stat *stats;	/* NULL unless made with stats */
	char *keys;
	uint32_t *slots;	/* entry + 1, 0: free; a power of two of them */
	uint32_t count, capacity, slot_mask;
	size_t keys_used, keys_size;
	uint32_t last;		/* entry that was found last */
	uint32_t limit;		/* keys that it may hold */
	bool with_stats;
};

bool up_map_init(struct up_map *map, bool with_stats);
void up_map_deinit(struct up_map *map);
/* All counts and stats begin again at 0; the keys stay, so that the limit holds for good. */
void up_map_zero(struct up_map *map);
/* The entry of key, made with *order (which is then advanced) if it is new; NULL: there is no room. */
struct up_entry *up_map_at(struct up_map *map, const void *key, size_t size, uint64_t *order);
/* The same for a key of one number. */
struct up_entry *up_map_at_number(struct up_map *map, uint64_t key, uint64_t *order);

#endif
