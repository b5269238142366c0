/* Translations that were given out: sorted extents, found by bisection. */
#include "tlb.h"

#include <string.h>

#include "allocate.h"

/* Index of the first extent that ends after address. */
static unsigned first_after(const struct extents *extents, uint64_t address)
{
	unsigned low = 0, high = extents->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (extents->items[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool extents_overlap(const struct extents *extents, uint64_t start, uint64_t end)
{
	unsigned index = first_after(extents, start);

	return index < extents->count && extents->items[index].start < end;
}

const struct extent *extents_find(struct extents *extents, uint64_t address)
{
	if (!extents->count)
		return NULL;
	const struct extent *last = &extents->items[extents->last];
	if (address >= last->start && address < last->end)
		return last;
	unsigned index = first_after(extents, address);
	if (index == extents->count || extents->items[index].start > address)
		return NULL;
	extents->last = index;
	return &extents->items[index];
}

static bool insert_at(struct extents *extents, unsigned index, struct extent extent)
{
	if (extents->count == extents->capacity) {
		unsigned capacity = extents->capacity ? 2 * extents->capacity : 64;
		struct extent *items = up_reallocate(extents->items, capacity * sizeof(*items));
		if (!items)
			return false;
		extents->items = items;
		extents->capacity = capacity;
	}
	memmove(extents->items + index + 1, extents->items + index,
		(extents->count - index) * sizeof(*extents->items));
	extents->items[index] = extent;
	extents->count++;
	return true;
}

/* Whether after goes on where before ends. */
static bool joins(const struct extent *before, const struct extent *after)
{
	return before->end == after->start && before->perms == after->perms &&
	       before->physical + (before->end - before->start) == after->physical;
}

/* Adds extent in place of what was known of its range. */
bool extents_add(struct extents *extents, struct extent extent)
{
	extents_drop(extents, extent.start, extent.end);
	unsigned index = first_after(extents, extent.start);
	if (index > 0 && joins(&extents->items[index - 1], &extent)) {
		extents->items[index - 1].end = extent.end;
		return true;
	}
	return insert_at(extents, index, extent);
}

/* Forgets [start, end); what reaches out of it is cut. */
void extents_drop(struct extents *extents, uint64_t start, uint64_t end)
{
	unsigned first = first_after(extents, start), last;

	if (!extents->count)
		return;
	if (first < extents->count && extents->items[first].start < start) {
		struct extent *item = &extents->items[first], upper = *item;
		if (item->end > end) {
			upper.physical += end - upper.start;
			upper.start = end;
			item->end = start;
			insert_at(extents, first + 1, upper);
			extents->last = 0;
			return;
		}
		item->end = start;
		first++;
	}
	for (last = first; last < extents->count && extents->items[last].end <= end; last++)
		;
	if (last < extents->count && extents->items[last].start < end) {
		extents->items[last].physical += end - extents->items[last].start;
		extents->items[last].start = end;
	}
	memmove(extents->items + first, extents->items + last, (extents->count - last) * sizeof(*extents->items));
	extents->count -= last - first;
	extents->last = 0;
}

void extents_deinit(struct extents *extents)
{
	free(extents->items);
	memset(extents, 0, sizeof(*extents));
}
