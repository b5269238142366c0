/*
 * Keyed maps: open addressing over entries that stay in the order of first sight.
 *
 * The tables grow by doubling up to the map's limit.  Beyond it, or when memory
 * is used up, an insertion fails, which the caller counts.
 */
#include "map.h"

#include <string.h>

#include "allocate.h"

enum { FIRST_CAPACITY = 64 };

static uint64_t mix(uint64_t value)
{
	value ^= value >> 30;
	value *= UINT64_C(0xbf58476d1ce4e5b9);
	value ^= value >> 27;
	value *= UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint64_t hash_key(const void *key, size_t size)
{
	const uint8_t *bytes = key;
	uint64_t hash = size, word;

	while (size >= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = mix(hash ^ word);
		bytes += sizeof(word);
		size -= sizeof(word);
	}
	if (size) {
		word = 0;
		memcpy(&word, bytes, size);
		hash = mix(hash ^ word);
	}
	return hash;
}

bool up_map_init(struct up_map *map, bool with_stats)
{
	memset(map, 0, sizeof(*map));
	map->with_stats = with_stats;
	map->capacity = FIRST_CAPACITY;
	map->limit = UINT32_MAX;
	map->slot_mask = 2 * FIRST_CAPACITY - 1;
	map->keys_size = 16 * FIRST_CAPACITY;
	map->entries = up_allocate(map->capacity * sizeof(*map->entries));
	map->slots = up_allocate_zeroed(map->slot_mask + 1, sizeof(*map->slots));
	map->keys = up_allocate(map->keys_size);
	if (with_stats)
		map->stats = up_allocate(map->capacity * sizeof(*map->stats));
	if (map->entries && map->slots && map->keys && (map->stats || !with_stats))
		return true;
	up_map_deinit(map);
	return false;
}

void up_map_deinit(struct up_map *map)
{
	free(map->entries);
	free(map->stats);
	free(map->slots);
	free(map->keys);
	memset(map, 0, sizeof(*map));
}

void up_map_zero(struct up_map *map)
{
	for (uint32_t i = 0; i < map->count; i++)
		map->entries[i].count = map->entries[i].high = 0;
	if (map->with_stats)
		memset(map->stats, 0, map->count * sizeof(*map->stats));
}

static bool grow_keys(struct up_map *map, size_t size)
{
	size_t wanted = map->keys_size;

	while (wanted - map->keys_used < size)
		wanted *= 2;
	if (wanted == map->keys_size)
		return true;
	if (wanted > UINT32_MAX)
		return false;
	char *keys = up_reallocate(map->keys, wanted);
	if (!keys)
		return false;
	map->keys = keys;
	map->keys_size = wanted;
	return true;
}

static void place(struct up_map *map, uint32_t index)
{
	uint32_t slot = (uint32_t)map->entries[index].hash & map->slot_mask;

	while (map->slots[slot])
		slot = (slot + 1) & map->slot_mask;
	map->slots[slot] = index + 1;
}

static bool grow(struct up_map *map)
{
	uint32_t capacity = 2 * map->capacity;

	if (capacity > UINT32_MAX / 4)
		return false;
	struct up_entry *entries = up_reallocate(map->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	map->entries = entries;
	if (map->with_stats) {
		struct up_stat *stats = up_reallocate(map->stats, capacity * sizeof(*stats));
		if (!stats)
			return false;
		map->stats = stats;
	}
	uint32_t *slots = up_allocate_zeroed(2 * (size_t)capacity, sizeof(*slots));
	if (!slots)
		return false;
	free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
	map->slot_mask = 2 * capacity - 1;
	for (uint32_t i = 0; i < map->count; i++)
		place(map, i);
	return true;
}

static struct up_entry *insert(struct up_map *map, const void *key, size_t size, uint64_t hash, uint64_t *order)
{
	if (map->count >= map->limit || (map->count == map->capacity && !grow(map)))
		return NULL;
	if (!grow_keys(map, size))
		return NULL;
	struct up_entry *entry = &map->entries[map->count];
	*entry = (struct up_entry){hash, (*order)++, 0, 0, (uint32_t)map->keys_used, (uint32_t)size};
	memcpy(map->keys + map->keys_used, key, size);
	map->keys_used += size;
	if (map->with_stats)
		memset(&map->stats[map->count], 0, sizeof(*map->stats));
	map->last = map->count;
	place(map, map->count++);
	return entry;
}

static bool is_key(const struct up_map *map, const struct up_entry *entry, const void *key, size_t size)
{
	return entry->key_size == size && !memcmp(map->keys + entry->key_at, key, size);
}

/* mix is a bijection, so of keys of one number equal hashes are equal keys. */
struct up_entry *up_map_at_number(struct up_map *map, uint64_t key, uint64_t *order)
{
	uint64_t hash = mix(sizeof(key) ^ key);
	struct up_entry *entry = &map->entries[map->last];

	if (map->count && entry->hash == hash)
		return entry;
	uint32_t slot = (uint32_t)hash & map->slot_mask;
	while (map->slots[slot]) {
		entry = &map->entries[map->slots[slot] - 1];
		if (entry->hash == hash) {
			map->last = map->slots[slot] - 1;
			return entry;
		}
		slot = (slot + 1) & map->slot_mask;
	}
	return insert(map, &key, sizeof(key), hash, order);
}

struct up_entry *up_map_at(struct up_map *map, const void *key, size_t size, uint64_t *order)
{
	if (map->count && is_key(map, &map->entries[map->last], key, size))
		return &map->entries[map->last];
	uint64_t hash = hash_key(key, size);
	uint32_t slot = (uint32_t)hash & map->slot_mask;
	while (map->slots[slot]) {
		uint32_t index = map->slots[slot] - 1;
		struct up_entry *entry = &map->entries[index];
		if (entry->hash == hash && is_key(map, entry, key, size)) {
			map->last = index;
			return entry;
		}
		slot = (slot + 1) & map->slot_mask;
	}
	return insert(map, key, size, hash, order);
}
