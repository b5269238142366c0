/* Answers to the emulator about which page is where. */
#include "fills.h"

#include "call_maps.h"
#include "emulator.h"

enum { FEW_PAGES = 64 };	/* to forget them one by one takes less than to find all others again */

/* Virtual window + p shows physical p, to forget translated code alone. */
static const uint64_t window = UINT64_C(1) << 52;

static bool answer(struct uc_tlb_entry *ret, const struct extent *extent, uint64_t page)
{
	ret->physical = extent->physical + (page - extent->start);
	ret->perms = extent->perms;
	return true;
}

/* Forgets which addresses are where; the emulator's TLB doubles if it is nearly full (cputlb.c). */
static void flush(struct glue *glue)
{
	glue->fills = 0;
	glue->tagged = false;
	shortcuts_before_flush(glue->shortcuts);
	glue->uc.ctl(glue->engine_handle, uc_ctl_write(UC_CTL_TLB_FLUSH, 0));
}

/*
 * Whether the emulator could be told page by page.  Not where code lies: more than addresses would
 * have to go.  Nor after tagged addresses: it knows a page by each tag that it was reached with.
 */
static bool flush_pages(struct glue *glue, uint64_t start, uint64_t end)
{
	if (glue->tagged || (end - start) / GUEST_PAGE > FEW_PAGES || !shortcuts_flush_page(glue->shortcuts, start))
		return false;
	for (uint64_t page = start + GUEST_PAGE; page < end; page += GUEST_PAGE)
		shortcuts_flush_page(glue->shortcuts, page);
	return true;
}

void glue_flush_range(struct glue *glue, uint64_t start, uint64_t end)
{
	bool has_code = extents_overlap(&glue->code, start, end) || extents_overlap(&glue->hidden, start, end);

	extents_drop(&glue->data, start, end);
	extents_drop(&glue->kept, start, end);
	extents_drop(&glue->code, start, end);
	if (has_code || !flush_pages(glue, start, end))
		flush(glue);
}

/*
 * Many fills since the last flush: the emulator's TLB, of 256 entries at first, is too small.
 * A flush is fine inside a fill, whose callers look the entry up again.  A stop is not: it
 * takes effect behind the access, and the instruction is then executed twice.
 */
static void grow(struct glue *glue)
{
	if (glue->grow_at < LARGEST_TLB)
		glue->grow_at *= 2;
	flush(glue);
}

static bool refuse(struct glue *glue, uint64_t address, int access)
{
	glue->refused = access;
	glue->refused_page = address & ~(uint64_t)(GUEST_PAGE - 1);
	return false;
}

bool glue_on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data)
{
	struct glue *glue = data;
	uint64_t page = address & (TAG_MASK & ~(uint64_t)(GUEST_PAGE - 1));
	int access = type == UC_MEM_FETCH ? PERM_EXEC : type == UC_MEM_WRITE ? PERM_WRITE : PERM_READ;
	const struct extent *extent;

	(void)uc;
	if (glue->forgetting && address >= window && address < 2 * window) {
		*ret = (struct uc_tlb_entry){address - window, PERM_ALL};
		return true;
	}
	if (access == PERM_WRITE && glue->kept.count && extents_find(&glue->kept, page))
		return refuse(glue, address, access);
	if (++glue->fills > glue->grow_at)
		grow(glue);
	if (address > TAG_MASK)
		glue->tagged = true;
	if (access == PERM_EXEC) {
		extent = extents_find(&glue->hidden, page);
		if (extent)
			return answer(ret, extent, page);
	}
	extent = extents_find(access == PERM_EXEC ? &glue->code : &glue->data, page);
	if (extent && extent->perms & (unsigned)access)
		return answer(ret, extent, page);
	if (access == PERM_READ && maps_fill(glue, address, ret))
		return true;
	glue->slow_fills++;
	if (glue->fill(glue->context, address, access, ret))
		return true;
	return refuse(glue, address, access);
}

/* Forgets translated code of virtual [start, end). */
void glue_forget_translations(struct glue *glue, uint64_t start, uint64_t end)
{
	glue->uc.ctl(glue->engine_handle, uc_ctl_write(UC_CTL_TB_REMOVE, 2), start, end);
}
