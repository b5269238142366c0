/* What is kept of a call until it returns: captured values and cookies, in blocks that are used again. */
#include "kept.h"

#include <string.h>

#include "allocate.h"
#include "site.h"

/* A block for that many words, all 0; NULL: out of memory. */
struct up_kept *up_kept_take(struct up_engine *engine, unsigned words)
{
	struct up_kept *kept = engine->spare;

	if (kept)
		engine->spare = kept->next;
	if (kept && kept->size < words) {
		free(kept);
		kept = NULL;
	}
	if (!kept) {
		if (words > engine->kept_room)
			engine->kept_room = words;
		kept = up_allocate(sizeof(*kept) + engine->kept_room * sizeof(kept->words[0]));
		if (!kept)
			return NULL;
		kept->size = engine->kept_room;
	}
	kept->used = words;
	kept->text = 0;
	memset(kept->words, 0, words * sizeof(kept->words[0]));
	return kept;
}

bool up_kept_add_text(struct up_engine *engine, struct up_kept **kept, const char *text, unsigned size)
{
	unsigned words = (*kept)->used + ((*kept)->text + size + 7) / 8;

	if (words > engine->kept_room)
		engine->kept_room = words;
	if (words > (*kept)->size) {
		struct up_kept *larger =
			up_reallocate(*kept, sizeof(**kept) + engine->kept_room * sizeof((*kept)->words[0]));
		if (!larger)
			return false;
		larger->size = engine->kept_room;
		*kept = larger;
	}
	memcpy(up_kept_text(*kept) + (*kept)->text, text, size);
	(*kept)->text += size;
	return true;
}

void *up_kept_cookie(const struct up_site *site, const struct up_kept *kept, unsigned index)
{
	return kept->used > site->captured ? (void *)(uintptr_t)kept->words[site->captured + index] : NULL;
}

void up_kept_set_cookie(const struct up_site *site, struct up_kept *kept, unsigned index, void *cookie)
{
	kept->words[site->captured + index] = (uint64_t)(uintptr_t)cookie;
}

/* A copy with cookies of its own; NULL: out of memory. */
struct up_kept *up_kept_copy(struct up_engine *engine, const struct up_site *site, const struct up_kept *kept)
{
	struct up_kept *twin = up_kept_take(engine, kept->used + (kept->text + 7) / 8);

	if (!twin)
		return NULL;
	twin->used = kept->used;
	twin->text = kept->text;
	memcpy(twin->words, kept->words, kept->used * sizeof(kept->words[0]) + kept->text);
	for (unsigned i = 0; i < site->count; i++) {
		void *cookie = up_kept_cookie(site, kept, i);
		if (cookie && cookie != UP_IGNORED)
			up_kept_set_cookie(site, twin, i, engine->outside.copy(engine->outside.context, cookie));
	}
	return twin;
}

/* The call is over: its cookies go back to whom they belong, the block is spare. */
void up_kept_give(struct up_engine *engine, const struct up_site *site, struct up_kept *kept)
{
	if (!kept)
		return;
	for (unsigned i = 0; i < site->count; i++) {
		void *cookie = up_kept_cookie(site, kept, i);
		if (cookie && cookie != UP_IGNORED)
			engine->outside.drop(engine->outside.context, cookie);
	}
	kept->next = engine->spare;
	engine->spare = kept;
}
