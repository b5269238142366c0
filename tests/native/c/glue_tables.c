/* Translations and places by address, against plain arrays. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fake_unicorn.h"
#include "places_table.h"
#include "scarce.h"
#include "tlb.h"

enum { PAGES = 64, PLACES = 400 };

static const struct extent *page_at(struct extents *extents, unsigned page)
{
	return extents_find(extents, (uint64_t)page * GUEST_PAGE);
}

/* What each page is at physically, 0: unknown. */
static void must_equal(struct extents *extents, const uint64_t *model)
{
	for (unsigned page = 0; page < PAGES; page++) {
		const struct extent *found = page_at(extents, page);
		MUST((found != NULL) == (model[page] != 0));
		if (found)
			MUST(found->physical + ((uint64_t)page * GUEST_PAGE - found->start) == model[page]);
	}
	for (unsigned i = 1; i < extents->count; i++)
		MUST(extents->items[i - 1].end <= extents->items[i].start);
}

static void change(struct extents *extents, uint64_t *model)
{
	unsigned first = (unsigned)(next_random() % PAGES), count = 1 + (unsigned)(next_random() % (PAGES - first));
	uint64_t start = (uint64_t)first * GUEST_PAGE, end = start + (uint64_t)count * GUEST_PAGE;
	uint64_t physical = next_random() % 3 ? 0x100000 + start : GUEST_PAGE * (1 + next_random() % 1000);
	bool adds = next_random() % 2;

	if (adds)
		MUST(extents_add(extents, (struct extent){start, end, physical, PERM_READ}));
	else
		extents_drop(extents, start, end);
	for (unsigned i = 0; i < count; i++)
		model[first + i] = adds ? physical + (uint64_t)i * GUEST_PAGE : 0;
}

TEST(translations_are_what_was_added_last)
{
	struct extents extents = {0};
	uint64_t model[PAGES] = {0};

	for (unsigned i = 0; i < 3000; i++) {
		change(&extents, model);
		must_equal(&extents, model);
	}
	extents_deinit(&extents);
}

TEST(ranges_that_go_on_in_each_other_are_one)
{
	struct extents extents = {0};

	for (uint64_t at = 0; at < 100; at++)
		extents_add(&extents, (struct extent){at << 12, (at + 1) << 12, 0x100000 + (at << 12), PERM_READ});
	MUST(extents.count == 1);
	extents_add(&extents, (struct extent){100 << 12, 101 << 12, 0x100000 + (100 << 12), PERM_ALL});
	MUST(extents.count == 2);
	extents_deinit(&extents);
}

TEST(a_translation_without_memory_is_unknown_and_not_wrong)
{
	struct extents extents = {0};

	scarce_after(0);
	MUST(!extents_add(&extents, (struct extent){0, 4096, 4096, PERM_READ}));
	MUST(!page_at(&extents, 0));
	scarce_after(-1);
	for (uint64_t at = 0; at < 64; at++)	/* as many as fit before the list grows */
		MUST(extents_add(&extents, (struct extent){at << 16, (at << 16) + 0x3000, 0x5000, PERM_READ}));
	scarce_after(0);
	extents_drop(&extents, 0x1000, 0x2000);	/* its upper part would need another */
	scarce_after(-1);
	MUST(page_at(&extents, 0) && !page_at(&extents, 1) && !page_at(&extents, 2));
	extents_deinit(&extents);
}

TEST(places_are_found_until_they_are_removed)
{
	struct fake *fake = fake_open(NULL);
	struct place *places = calloc(PLACES, sizeof(*places));
	bool *present = calloc(PLACES, 1);

	MUST(places && present);
	for (unsigned i = 0; i < PLACES; i++)
		places[i].address = 0x10000 + 4 * (next_random() % 1000) + 4096 * i;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned number = (unsigned)(next_random() % PLACES);
		if (present[number])
			table_remove(&fake->glue, &places[number]);
		else
			MUST(table_add(&fake->glue, &places[number]));
		present[number] = !present[number];
		number = (unsigned)(next_random() % PLACES);
		MUST((table_find(&fake->glue, places[number].address) == &places[number]) == present[number]);
	}
	for (unsigned i = 0; i < PLACES; i++)
		MUST((table_find(&fake->glue, places[i].address) == &places[i]) == present[i]);
	free(places);
	free(present);
	fake_close(fake);
}

TEST(a_removal_asks_for_no_memory)
{
	struct fake *fake = fake_open(NULL);
	struct place places[100] = {{0}};

	for (unsigned i = 0; i < 100; i++) {
		places[i].address = 0x1000 + 4 * i;
		MUST(table_add(&fake->glue, &places[i]));
	}
	scarce_after(0);
	for (unsigned i = 0; i < 100; i++)
		table_remove(&fake->glue, &places[i]);
	MUST(scarce_asked() == 0 && fake->glue.table_count == 0);
	scarce_after(-1);
	fake_close(fake);
}

TEST(a_place_that_was_never_listed_is_not_removed)
{
	struct fake *fake = fake_open(NULL);
	struct place listed = {.address = 0x1000}, other = {.address = 0x1000};

	MUST(table_add(&fake->glue, &listed));
	table_remove(&fake->glue, &other);
	MUST(table_find(&fake->glue, 0x1000) == &listed);
	fake_close(fake);
}
