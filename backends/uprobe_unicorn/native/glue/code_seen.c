/* Executed code: see code_seen.h. */
#include "code_seen.h"

#include "allocate.h"

enum { FIRST_ROOM = 1 << 13 };

static inline size_t hash_of(uint64_t pc)
{
	return (size_t)(pc >> 2 ^ pc >> 15);
}

static struct seen_block *place_of(struct seen_block *blocks, size_t room, uint64_t pc, uint64_t size)
{
	size_t at = hash_of(pc);

	while (at &= room - 1, blocks[at].size && (blocks[at].pc != pc || blocks[at].size != size))
		at++;
	return &blocks[at];
}

static bool enlarge(struct code_seen *seen)
{
	size_t room = seen->room ? 2 * seen->room : FIRST_ROOM;
	struct seen_block *blocks = up_allocate_zeroed(room, sizeof(*blocks));

	if (!blocks)
		return false;
	seen->count = 0;
	for (size_t i = 0; i < seen->room; i++)
		if (seen->blocks[i].times) {
			*place_of(blocks, room, seen->blocks[i].pc, seen->blocks[i].size) = seen->blocks[i];
			seen->count++;
		}
	free(seen->blocks);
	seen->blocks = blocks;
	seen->room = room;
	seen->last = NULL;
	return true;
}

/* The entry of a block, made if there is none; NULL: out of memory. */
static struct seen_block *entry_of(struct code_seen *seen, uint64_t pc, uint64_t size)
{
	struct seen_block *block = place_of(seen->blocks, seen->room, pc, size);

	if (block->size)
		return block;
	if (2 * seen->count >= seen->room) {
		if (!enlarge(seen)) {
			seen->full = true;
			return NULL;
		}
		block = place_of(seen->blocks, seen->room, pc, size);
	}
	seen->count++;
	block->pc = pc;
	block->size = size;
	return block;
}

void code_seen_enter(struct glue *glue, uint64_t pc, unsigned size)
{
	struct code_seen *seen = glue->seen;
	struct seen_block *block = &seen->blocks[hash_of(pc) & (seen->room - 1)];

	if (block->pc != pc || block->size != size) {
		if (glue->work.is_free(glue, pc))
			return;
		block = entry_of(seen, pc, size);
	}
	seen->last = block;
	if (block)
		block->times++;
}

static void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *data)
{
	(void)uc;
	code_seen_enter(data, pc, size);
}

bool code_seen_begin(struct glue *glue)
{
	size_t hook;

	glue->seen = up_allocate_zeroed(1, sizeof(*glue->seen));
	if (!glue->seen || !enlarge(glue->seen))
		return false;
	/* Without shortcuts there is a hook for each block already. */
	return !glue->shortcuts || !glue->uc.hook_add(glue->engine_handle, &hook, UC_HOOK_BLOCK,
						      (void *)(uintptr_t)on_block, glue, 1, 0);
}

void code_seen_end(struct glue *glue)
{
	if (glue->seen)
		free(glue->seen->blocks);
	free(glue->seen);
	glue->seen = NULL;
}

void code_seen_leave(struct glue *glue, uint64_t ahead)
{
	struct code_seen *seen = glue->seen;
	struct seen_block *last = seen->last;

	seen->last = NULL;
	if (!last || !ahead || !last->times || 4 * ahead > last->size)
		return;
	uint64_t pc = last->pc, done = last->size - 4 * ahead;
	last->times--;
	struct seen_block *begun = done ? entry_of(seen, pc, done) : NULL;
	if (begun)
		begun->times++;
}

struct seen_block *code_seen_next(const struct code_seen *seen, size_t *at, uint64_t start, uint64_t end)
{
	while (*at < seen->room) {
		struct seen_block *block = &seen->blocks[(*at)++];
		if (block->times && block->pc >= start && block->pc < end)
			return block;
	}
	return NULL;
}
