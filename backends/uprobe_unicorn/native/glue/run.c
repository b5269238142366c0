/* The run from one event to the next. */
#include "run.h"

#include <stdlib.h>

#include "emulator.h"
#include "fills.h"
#include "hooks.h"
#include "places_table.h"
#include "slots.h"

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
	glue->source = glue_source(glue);
	glue->shortcuts = shortcuts_create(glue->engine_handle, &glue->uc, &glue->no_shortcuts);
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
