/* Executed code: see code_seen.h. */
#define _GNU_SOURCE
#include "code_seen.h"

#include <sys/mman.h>

#include "allocate.h"

enum { FIRST_ROOM = 1 << 13 };

/* --- the table of blocks -------------------------------------------------------------------- */

static inline size_t hash_of(uint64_t pc)
{
	return (size_t)(pc >> 2 ^ pc >> 15);
}

static uint32_t *place_of(const struct code_seen *seen, uint64_t pc, unsigned size)
{
	size_t at = hash_of(pc);

	while (at &= seen->room - 1, seen->table[at]) {
		const struct tally *tally = &seen->keeper.tallies[seen->table[at] - 1];
		if (tally->pc == pc && tally->size == size)
			break;
		at++;
	}
	return &seen->table[at];
}

static bool enlarge(struct code_seen *seen)
{
	size_t room = seen->room ? 2 * seen->room : FIRST_ROOM;
	uint32_t *table = up_allocate_zeroed(room, sizeof(*table));

	if (!table)
		return false;
	free(seen->table);
	seen->table = table;
	seen->room = room;
	for (uint32_t i = 0; i < seen->count; i++)
		*place_of(seen, seen->keeper.tallies[i].pc, seen->keeper.tallies[i].size) = i + 1;
	return true;
}

/* That of a block, made if there is none; NULL: there is no room. */
static struct tally *of_block(void *context, uint64_t pc, unsigned size)
{
	struct code_seen *seen = context;
	uint32_t *place = place_of(seen, pc, size);

	if (*place)
		return &seen->keeper.tallies[*place - 1];
	if (seen->count == MOST_TALLIES || (2 * seen->count >= seen->room && !enlarge(seen))) {
		seen->keeper.full = true;
		return NULL;
	}
	struct tally *tally = &seen->keeper.tallies[seen->count++];
	*tally = (struct tally){pc, 0, size, seen->count};
	*place_of(seen, pc, size) = seen->count;
	return tally;
}

/* --- what is executed ------------------------------------------------------------------------- */

void code_seen_enter(struct glue *glue, uint64_t pc, unsigned size)
{
	struct code_seen *seen = glue->seen;
	uint32_t number = seen->table[hash_of(pc) & (seen->room - 1)];
	struct tally *tally = number ? &seen->keeper.tallies[number - 1] : NULL;

	if (!tally || tally->pc != pc || tally->size != size) {
		if (glue->work.is_free(glue, pc))
			return;
		tally = of_block(seen, pc, size);
	}
	*seen->keeper.last = tally ? tally->number : 0;
	if (tally)
		tally->times++;
}

void code_seen_leave(struct glue *glue, uint64_t from, uint64_t ahead)
{
	struct code_seen *seen = glue->seen;
	uint32_t number = *seen->keeper.last;
	struct tally *last = number ? &seen->keeper.tallies[number - 1] : NULL;
	uint64_t trap = glue->event == GLUE_BREAK ? glue_reg(glue, GLUE_PC) : NO_TRAP;

	if (trap != NO_TRAP && ahead && !(from == trap && seen->trapped == trap))
		ahead--;
	seen->trapped = trap;
	*seen->keeper.last = 0;
	if (!last || !ahead || !last->times || 4 * ahead > last->size)
		return;
	unsigned done = last->size - 4 * (unsigned)ahead;
	last->times--;
	struct tally *begun = done ? of_block(seen, last->pc, done) : NULL;
	if (begun)
		begun->times++;
}

static void on_block(uc_engine *uc, uint64_t pc, uint32_t size, void *data)
{
	(void)uc;
	code_seen_enter(data, pc, size);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Where blocks do not count by themselves; without shortcuts there is a hook for each block already. */
static bool count_by_hook(struct glue *glue)
{
	struct code_seen *seen = glue->seen;
	size_t hook;

	seen->keeper.tallies = mmap(NULL, MOST_TALLIES * sizeof(struct tally), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	seen->is_own = seen->keeper.tallies != MAP_FAILED;
	seen->keeper.last = &seen->own_last;
	return seen->is_own && (!glue->shortcuts || !glue->uc.hook_add(glue->engine_handle, &hook, UC_HOOK_BLOCK,
								      (void *)(uintptr_t)on_block, glue, 1, 0));
}

bool code_seen_begin(struct glue *glue)
{
	struct code_seen *seen = up_allocate_zeroed(1, sizeof(*seen));

	glue->seen = seen;
	if (!seen || !enlarge(seen))
		return false;
	seen->trapped = NO_TRAP;
	seen->keeper.of_block = of_block;
	seen->keeper.context = seen;
	return (glue->shortcuts && shortcuts_tally(glue->shortcuts, &seen->keeper)) || count_by_hook(glue);
}

void code_seen_end(struct glue *glue)
{
	struct code_seen *seen = glue->seen;

	glue->seen = NULL;
	if (!seen)
		return;
	if (seen->is_own)
		munmap(seen->keeper.tallies, MOST_TALLIES * sizeof(struct tally));
	free(seen->table);
	free(seen);
}

struct tally *code_seen_next(const struct code_seen *seen, size_t *at, uint64_t start, uint64_t end)
{
	while (*at < seen->count) {
		struct tally *tally = &seen->keeper.tallies[(*at)++];
		if (tally->times && tally->pc >= start && tally->pc < end)
			return tally;
	}
	return NULL;
}
