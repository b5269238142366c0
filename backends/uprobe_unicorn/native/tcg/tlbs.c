/* What the emulator does with its TLBs, and at what price. */
#include "tlbs.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include "allocate.h"
#include "diverted.h"
#include "shortcuts_state.h"

/*
 * For each new block the library walks through all entries of all its TLBs, thousands and
 * tens of thousands, to have stores to the block's page noticed (cputlb.c, tlb_reset_dirty_by_vaddr).
 * A page has one entry in each TLB that it can be in, and eight where it may be after that.
 */
enum { PAGE_BITS = 12, TLBS = 12, VICTIMS = 8, ENTRY_BYTES = 64, ENTRY_STORE = 8, VICTIMS_BYTES = 0x2b8,
       VICTIMS_USED = -16, VICTIMS_SECOND = 0x280, TLB_BYTES = 16, SECOND_BYTES = 16 };
enum { PROGRAM = 7 };	/* the TLB of EL0 in secure state, which is where programs run */
enum { ENTRIES = 2048 };
enum { UNUSUAL = 0x390, NOTICE = 0x100 };	/* flags in the low bits of an entry's address for stores */

static const struct layout *known;
static struct diverted reset_dirty;

/* Has stores to page noticed if entry is the page's and they go straight to memory. */
static void notice(char *entry, uint64_t page)
{
	uint64_t *store = &AT(uint64_t, entry, ENTRY_STORE);

	if (!(*store & UNUSUAL) && *store >> PAGE_BITS == page)
		*store |= NOTICE;
}

static void notice_in(char *env, unsigned tlb, uint64_t page)
{
	char *fast = env + known->env_tlbs + tlb * TLB_BYTES;
	char *victims = env + known->env_victims + tlb * VICTIMS_BYTES;
	uint64_t mask = AT(uint64_t, fast, 0);

	if ((uint32_t)(mask / ENTRY_BYTES) != UINT32_MAX)
		notice(AT(char *, fast, 8) + (page * ENTRY_BYTES & mask), page);
	for (unsigned i = 0; i < VICTIMS; i++)
		notice(victims + i * ENTRY_BYTES, page);
}

/* In place of tlb_reset_dirty_by_vaddr: stores to [start, start + size), start being a page, are to be noticed. */
static void notice_stores(char *cpu, uint64_t start, uint64_t size)
{
	for (uint64_t page = start >> PAGE_BITS; page <= (start + size - 1) >> PAGE_BITS; page++)
		for (unsigned tlb = 0; tlb < TLBS; tlb++)
			notice_in(cpu + known->cpu_env, tlb, page);
}

/*
 * Two pages of a program that share an entry drive each other out, at 50 ns for each access.  So the program's TLB has
 * more entries than a small program has pages from the start, with a second word of two for each (CPUIOTLBEntry).
 */
void enlarge_tlb(const struct layout *layout, char *env)
{
	char *fast = env + layout->env_tlbs + PROGRAM * TLB_BYTES;
	void **second = &AT(void *, env, layout->env_victims + PROGRAM * VICTIMS_BYTES + VICTIMS_SECOND);
	void *entries = up_allocate_zeroed(ENTRIES, ENTRY_BYTES), *more = up_allocate_zeroed(ENTRIES, SECOND_BYTES);

	if (!entries || !more) {
		free(entries);
		free(more);
		return;
	}
	memset(entries, 0xff, ENTRIES * ENTRY_BYTES);
	free(AT(void *, fast, 8));
	free(*second);
	AT(void *, fast, 8) = entries;
	AT(uint64_t, fast, 0) = (ENTRIES - 1) * ENTRY_BYTES;
	*second = more;
}

/* The library chooses a size when it forgets all entries: half, where less than 30% were in use for a while. */
void keep_tlb_large(const struct layout *layout, char *env)
{
	uint64_t mask = AT(uint64_t, env, layout->env_tlbs + PROGRAM * TLB_BYTES);
	uint64_t *used = &AT(uint64_t, env, layout->env_victims + PROGRAM * VICTIMS_BYTES + VICTIMS_USED);

	if (mask <= (ENTRIES - 1) * ENTRY_BYTES && *used < ENTRIES / 2)
		*used = ENTRIES / 2;
}

void shorten_code_stores(void *library, const struct layout *layout)
{
	known = layout;
	divert_call(&reset_dirty, library, "tlb_reset_dirty_by_vaddr_aarch64", (const void *)(uintptr_t)notice_stores);
}

#endif
