/* The emulator's TLB when a block was translated. */
#include "code_stores.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__linux__)

#include "diverted.h"
#include "shortcuts_state.h"

/*
 * For each new block the library walks through all entries of all its TLBs, thousands and
 * tens of thousands, to have stores to the block's page noticed (cputlb.c, tlb_reset_dirty_by_vaddr).
 * A page has one entry in each TLB that it can be in, and eight where it may be after that.
 */
enum { PAGE_BITS = 12, TLBS = 12, VICTIMS = 8, ENTRY_BYTES = 64, ENTRY_STORE = 8, VICTIMS_BYTES = 0x2b8, TLB_BYTES = 16 };
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

void shorten_code_stores(void *library, const struct layout *layout)
{
	known = layout;
	divert_call(&reset_dirty, library, "tlb_reset_dirty_by_vaddr_aarch64", (const void *)(uintptr_t)notice_stores);
}

#endif
