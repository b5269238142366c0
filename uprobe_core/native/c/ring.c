/*
 * Records: one block of memory that fills up and is handed over whole.
 *
 * When the next record does not fit, the engine asks for a drain and starts
 * again at the beginning, so that nothing is lost and a reader sees plain
 * memory, one record after the other: a slow reader makes the program wait.
 *
 * A ring with a limit keeps the last records and asks nobody: the oldest make
 * room and are counted.  It grows until it holds as many as it may keep; then
 * what is left moves to the front whenever the first half is free, so that
 * each byte moves at most once and a reader still sees plain memory.
 */
#include "ring.h"

#include <string.h>

#include "allocate.h"

bool up_ring_init(struct up_ring *ring, size_t size)
{
	memset(ring, 0, sizeof(*ring));
	ring->bytes = up_allocate(size);
	ring->size = size;
	return ring->bytes != NULL;
}

void up_ring_deinit(struct up_ring *ring)
{
	free(ring->bytes);
	memset(ring, 0, sizeof(*ring));
}

void up_ring_reset(struct up_ring *ring)
{
	ring->start = ring->used = 0;
	ring->records = 0;
}

void up_ring_keep(struct up_ring *ring, uint64_t limit)
{
	ring->limit = limit;
}

static void forget_oldest(struct up_ring *ring)
{
	const struct up_record *oldest = (const void *)(ring->bytes + ring->start);

	ring->start += oldest->size;
	ring->records--;
	ring->dropped++;
	if (!ring->records)
		up_ring_reset(ring);
}

static bool grow(struct up_ring *ring)
{
	char *bytes = ring->size <= SIZE_MAX / 2 ? up_reallocate(ring->bytes, 2 * ring->size) : NULL;

	if (!bytes)
		return false;
	ring->bytes = bytes;
	ring->size *= 2;
	return true;
}

bool up_ring_make_room(struct up_ring *ring, size_t size)
{
	while (ring->records >= ring->limit)
		forget_oldest(ring);
	while (ring->size - ring->used < size) {
		if (ring->start >= ring->size / 2) {
			ring->used -= ring->start;
			memmove(ring->bytes, ring->bytes + ring->start, ring->used);
			ring->start = 0;
		} else if (!grow(ring)) {
			if (!ring->records)
				return false;
			forget_oldest(ring);
		}
	}
	return true;
}
