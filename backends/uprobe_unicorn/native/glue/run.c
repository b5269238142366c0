/* Registers and memory for the engine, and the run from one event to the next. */
#include "glue.h"

#include <stdlib.h>
#include <string.h>

/* --- registers and memory ---------------------------------------------------------- */

static int register_of(unsigned index)
{
	if (index < 29)
		return UC_REG_X0 + (int)index;
	static const int rest[] = {UC_REG_X29, UC_REG_X30, UC_REG_SP, UC_REG_PC, UC_REG_NZCV};
	return rest[index - 29];
}

/* What a kernel sets in a program's PSTATE beside the flags; see uprobe_linux/task.py. */
#define PSTATE_SSBS 0x1000u

uint64_t glue_reg(void *context, unsigned index)
{
	struct glue *glue = context;
	uint64_t value = 0;

	if (index <= UP_PC && glue->source.registers)
		return glue->source.registers[index];
	glue->uc.reg_read(glue->engine_handle, register_of(index), &value);
	return index == 33 ? (value & 0xf0000000) | PSTATE_SSBS : value;
}

void glue_set_reg(struct glue *glue, unsigned index, uint64_t value)
{
	glue->uc.reg_write(glue->engine_handle, register_of(index), &value);
}

static void set_reg(void *context, unsigned index, uint64_t value)
{
	glue_set_reg(context, index, value);
}

static uint64_t vector(void *context, unsigned index)
{
	struct glue *glue = context;
	uint64_t value[2] = {0, 0};

	glue->uc.reg_read(glue->engine_handle, UC_REG_V0 + (int)index, value);
	return value[0];
}

/* Where the byte at address lies and how many follow it there; false: the program cannot read it. */
static bool translate(struct glue *glue, uint64_t address, uint64_t *physical_ret, uint64_t *left_ret)
{
	const struct extent *extent = extents_find(&glue->data, address);
	struct uc_tlb_entry entry;

	if (extent && extent->perms & PERM_READ) {
		*physical_ret = extent->physical + (address - extent->start);
		*left_ret = extent->end - address;
		return true;
	}
	if (!glue->fill(glue->context, address, PERM_READ, &entry))
		return false;
	*physical_ret = entry.physical + address % PAGE_SIZE;
	*left_ret = PAGE_SIZE - address % PAGE_SIZE;
	return *physical_ret + *left_ret <= glue->arena_size;
}

/* The data view, up to the first byte that the program could not read. */
size_t glue_read(void *context, uint64_t address, void *ret, size_t size)
{
	struct glue *glue = context;
	uint64_t at = address & TAG_MASK;
	size_t done = 0;

	while (done < size) {
		uint64_t physical, left;
		if (!translate(glue, at + done, &physical, &left))
			return done;
		size_t part = size - done < left ? size - done : (size_t)left;
		memcpy((char *)ret + done, glue->arena + physical, part);
		done += part;
	}
	return done;
}

/* --- life and running -------------------------------------------------------------------------- */

/* Switches counting of instructions on or off; the caller makes the emulator forget its code. */
int glue_count_blocks(struct glue *glue, bool on)
{
	if (on == (glue->block_hook != 0))
		return 0;
	if (on)
		return glue->uc.hook_add(glue->engine_handle, &glue->block_hook, UC_HOOK_BLOCK,
					 (void *)(uintptr_t)glue_on_block, glue, 1, 0);
	size_t hook = glue->block_hook;
	glue->block_hook = 0;
	return glue->uc.hook_del(glue->engine_handle, hook);
}

static int add_hook(struct glue *glue, int type, void *callback)
{
	size_t hook;

	return glue->uc.hook_add(glue->engine_handle, &hook, type, callback, glue, 1, 0);
}

bool glue_init(struct glue *glue)
{
	glue->grow_at = FIRST_TLB;
	glue->source = (struct up_source){glue, NULL, glue_reg, vector, glue_read, set_reg};
	glue->shortcuts = shortcuts_create(glue->engine_handle, &glue->uc);
	return !add_hook(glue, UC_HOOK_TLB_FILL, (void *)(uintptr_t)glue_on_fill) &&
	       !add_hook(glue, UC_HOOK_INTR, (void *)(uintptr_t)glue_on_interrupt);
}

void glue_deinit(struct glue *glue)
{
	while (glue->area_count)
		area_destroy(glue->areas[0]);
	free(glue->areas);
	free(glue->table);
	glue->areas = NULL;
	glue->table = NULL;
	glue->table_count = 0;
	extents_deinit(&glue->data);
	extents_deinit(&glue->code);
	extents_deinit(&glue->hidden);
	shortcuts_destroy(glue->shortcuts);
	glue->shortcuts = NULL;
}

/*
 * The program must not see that it is in a slot, if it is.  Where the core is to have its way with an
 * instruction that faulted, it does it again.
 */
static int leave_slot(struct glue *glue, int status)
{
	bool faulted = status != 0 || glue->event == GLUE_UNDEFINED || glue->event == GLUE_ALIGN;
	uint64_t before = glue_reg(glue, UP_PC);

	if (glue->event == GLUE_UNDEFINED && area_is_empty(glue, before)) {
		glue->event = GLUE_NONE;	/* the program jumped to where it has nothing */
		glue->refused = PERM_EXEC;
		glue->refused_page = before & ~(uint64_t)(PAGE_SIZE - 1);
		return UC_ERR_EXCEPTION;
	}
	uint64_t pc = slot_leave(glue, before, faulted);
	const struct place *place = faulted && pc != before ? table_find(glue, pc) : NULL;

	if (!place || !place->core)
		return status;
	glue->event = GLUE_BREAK;
	glue->refused = 0;
	return 0;
}

int glue_run(struct glue *glue, uint64_t pc, uint64_t skip, unsigned skips, int64_t budget)
{
	struct place *place = skip == pc && glue->table_count ? table_find(glue, pc) : NULL;

	glue->event = GLUE_NONE;
	glue->skip = skip;
	glue->skips = skip == pc ? skips + (place && place->hook) : 0;
	glue->limited = budget > 0;
	glue->budget = budget;
	if (place && tail_does_it(place))
		pc = place->tail;
	int status = glue->uc.emu_start(glue->engine_handle, pc, 0, 0, 0);
	return glue->area_count ? leave_slot(glue, status) : status;
}

/*
 * From any thread: the run is to end now, and the program does not go on: Unicorn also stops behind
 * a memory access and would execute that instruction again.  To stop and go on, set stop alone:
 * a block hook (while blocks are counted) and every probe look at it.
 */
void glue_stop(struct glue *glue)
{
	glue->stop = true;
	glue->uc.emu_stop(glue->engine_handle);
}
