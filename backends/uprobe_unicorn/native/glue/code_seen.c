/* Executed code: see code_seen.h. */
#include "code_seen.h"

#include <string.h>

#include "allocate.h"

static bool make_room(struct code_seen *seen)
{
	if (seen->count < seen->room)
		return true;
	size_t room = seen->room ? 2 * seen->room : 4096;
	struct seen_block *blocks = up_reallocate(seen->blocks, room * sizeof(*blocks));
	if (!blocks)
		return false;
	seen->blocks = blocks;
	seen->room = room;
	return true;
}

static void met(void *context, uint64_t pc, unsigned size)
{
	struct glue *glue = context;
	struct code_seen *seen = glue->seen;
	struct seen_block *lately = &seen->filter[(pc >> 2 ^ pc >> 14) % SEEN_FILTER];

	if ((lately->pc == pc && lately->size == size) || glue->work.is_free(glue, pc))
		return;
	*lately = (struct seen_block){pc, size};
	if (make_room(seen))
		seen->blocks[seen->count++] = *lately;
	else
		seen->full = true;
}

bool code_seen_begin(struct glue *glue)
{
	glue->seen = up_allocate_zeroed(1, sizeof(*glue->seen));
	glue->work.met = glue->seen ? met : NULL;
	return glue->seen != NULL;
}

void code_seen_end(struct glue *glue)
{
	glue->work.met = NULL;
	if (glue->seen)
		free(glue->seen->blocks);
	free(glue->seen);
	glue->seen = NULL;
}

void code_seen_clear(struct code_seen *seen)
{
	seen->count = 0;
	memset(seen->filter, 0, sizeof(seen->filter));
}

bool code_seen_cut(struct code_seen *seen, uint64_t pc)
{
	struct seen_block *last = seen->count ? &seen->blocks[seen->count - 1] : NULL;

	if (!last || pc < last->pc || pc >= last->pc + last->size)
		return false;
	last->size = pc - last->pc;
	memset(seen->filter, 0, sizeof(seen->filter));
	return true;
}
