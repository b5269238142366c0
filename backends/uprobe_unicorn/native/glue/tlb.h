/* Translations: which range of addresses is where. */
#ifndef UPROBE_TLB_H
#define UPROBE_TLB_H

#include <stdbool.h>
#include <stdint.h>

enum { GUEST_PAGE = 4096, PERM_READ = 1, PERM_WRITE = 2, PERM_EXEC = 4, PERM_ALL = 7 };

/* [start, end) of one kind of access is at physical on. */
struct extent {
	uint64_t start, end, physical;
	uint32_t perms;
};

struct extents {
	struct extent *items;	/* sorted by start, not overlapping */
	unsigned count, capacity, last;
};

/* Adds extent in place of what was known of its range; false: out of memory. */
bool extents_add(struct extents *extents, struct extent extent);
/* Forgets [start, end); what reaches out of it is cut. */
void extents_drop(struct extents *extents, uint64_t start, uint64_t end);
/* Whether any of it is in [start, end). */
bool extents_overlap(const struct extents *extents, uint64_t start, uint64_t end);
/* The one that address is in, or NULL. */
const struct extent *extents_find(struct extents *extents, uint64_t address);
void extents_deinit(struct extents *extents);

#endif
