/* The run from one event to the next. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "code_seen.h"
#include "emulator.h"
#include "fills.h"
#include "guard.h"
#include "hooks.h"
#include "places_table.h"
#include "samples.h"
#include "slots.h"
#include "stores.h"
#include "switching.h"

/* --- executed instructions ------------------------------------------------------------ */

/* Slots and the trampoline are none of the program's. */
static bool is_free(void *context, uint64_t pc)
{
	const struct glue *glue = context;

	return (glue->area_count && area_at(glue, pc)) || (glue->engine && glue->engine->trampoline && pc == glue->engine->trampoline);
}

/* Encodings: Arm ARM DDI 0487, C4.1 (Branches); those that raise exceptions are none. */
static bool is_branch_word(uint32_t word)
{
	return (word & 0x7c000000) == 0x14000000 || (word & 0xff000000) == 0x54000000 ||
	       (word & 0x7c000000) == 0x34000000 || (word & 0xfe000000) == 0xd6000000;
}

/* What the program executes at address, whatever a probe has put there. */
static bool is_branch(void *context, uint64_t address)
{
	struct glue *glue = context;
	const struct place *place = table_find(glue, address);
	const struct extent *code = extents_find(&glue->code, address & TAG_MASK);
	uint32_t word = 0;

	if (place && place->tail)
		word = place->word;
	else if (code)
		memcpy(&word, glue->arena + code->physical + ((address & TAG_MASK) - code->start), sizeof(word));
	return is_branch_word(word);
}

/* Not before an instruction whose hooks were delivered: they would be delivered once more. */
static bool is_wanted(void *context, uint64_t pc)
{
	const struct glue *glue = context;

	return glue->stop && !(glue->skips && glue->skip == pc);
}

/* The emulator itself would not bring PC up to date if a hook has written it since it last came back. */
static void stop_before_block(void *context, uint64_t pc)
{
	struct glue *glue = context;

	if (glue->source.registers)
		((uint64_t *)(uintptr_t)glue->source.registers)[GLUE_PC] = pc;
	glue->event = glue->stop ? GLUE_STOP : GLUE_SLICE;
	glue->uc.emu_stop(glue->engine_handle);
}

static void set_up_work(struct glue *glue)
{
	work_init(&glue->work);
	glue->work.context = glue;
	glue->work.is_free = is_free;
	glue->work.is_branch = is_branch;
	glue->work.is_wanted = is_wanted;
	glue->work.stop = stop_before_block;
}

/* --- life ----------------------------------------------------------------------------------- */

static int add_hook(struct glue *glue, int type, void *callback)
{
	size_t hook;

	return glue->uc.hook_add(glue->engine_handle, &hook, type, callback, glue, 1, 0);
}

bool glue_init(struct glue *glue)
{
	glue->grow_at = FIRST_TLB;
	glue->source = glue_source(glue);
	set_up_work(glue);
	glue->shortcuts = shortcuts_create(glue->engine_handle, &glue->uc, &glue->work, &glue->no_shortcuts);
	if (!glue->shortcuts && add_hook(glue, UC_HOOK_BLOCK, (void *)(uintptr_t)glue_on_block))
		return false;
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
	extents_deinit(&glue->kept);
	shortcuts_destroy(glue->shortcuts);
	glue->shortcuts = NULL;
	code_seen_end(glue);
}

/*
 * The program must not see that it is in a slot, if it is.  Where the core is to have its way with an
 * instruction that faulted, it does it again.  *undone_ret: whether the displaced instruction is still to come.
 */
static int leave_slot(struct glue *glue, int status, bool *undone_ret)
{
	bool faulted = status != 0 || glue->event == GLUE_UNDEFINED || glue->event == GLUE_ALIGN;
	uint64_t before = glue_reg(glue, GLUE_PC);

	if (glue->event == GLUE_UNDEFINED && area_is_empty(glue, before)) {
		glue->event = GLUE_NONE;	/* the program jumped to where it has nothing */
		glue->refused = PERM_EXEC;
		glue->refused_page = before & ~(uint64_t)(GUEST_PAGE - 1);
		return UC_ERR_EXCEPTION;
	}
	uint64_t pc = slot_leave(glue, before, faulted, undone_ret);
	const struct place *place = faulted && pc != before ? table_find(glue, pc) : NULL;

	if (!place || !place->core)
		return status;
	glue->event = GLUE_BREAK;
	glue->refused = 0;
	return 0;
}

/* How many instructions were executed when the run has ended. */
static uint64_t executed(struct glue *glue, bool in_slot, bool undone)
{
	if (glue->event == GLUE_HOOK)
		return glue->work.seen;
	uint64_t pc = glue_reg(glue, GLUE_PC);
	if (in_slot || (glue->refused == PERM_EXEC && glue->event == GLUE_NONE) || is_free(glue, pc))
		return work_done(&glue->work) - undone;
	return work_at(&glue->work, glue->event == GLUE_UNDEFINED && glue->interrupt == UC_EXCP_SMC ? pc - 4 : pc);
}

static int run_once(struct glue *glue, uint64_t pc, uint64_t skip, unsigned skips, uint64_t target)
{
	struct place *place = skip == pc && glue->table_count ? table_find(glue, pc) : NULL;
	bool in_slot = false, undone = false;
	uint64_t from = pc;

	glue->event = GLUE_NONE;
	glue->skip = skip;
	glue->skips = skip == pc ? skips + (place && place->hook) : 0;
	bool behind = place && tail_does_it(place);
	if (behind) {
		samples_look(glue, pc);
		work_settle(&glue->work, work_done(&glue->work) + 1);	/* the branch to the tail would have counted */
		if (glue->seen)
			code_seen_enter(glue, pc, 4);
	}
	work_start(&glue->work, pc, target);
	if (behind)
		pc = place->tail;
	int status = guard_start(glue, pc);
	if (status == GUARD_GAVE_UP) {	/* before the block that it could not translate */
		work_settle(&glue->work, work_done(&glue->work));
		return status;
	}
	if (glue->area_count) {
		in_slot = area_at(glue, glue_reg(glue, GLUE_PC)) != NULL;
		status = leave_slot(glue, status, &undone);
	}
	uint64_t done = executed(glue, in_slot, undone);
	if (glue->seen)
		code_seen_leave(glue, from, work_done(&glue->work) - done);
	work_settle(&glue->work, done);
	return status;
}

int glue_run(struct glue *glue, uint64_t pc, uint64_t skip, unsigned skips, uint64_t target)
{
	int status = run_once(glue, pc, skip, skips, target);

	while (stores_go_on(glue, status, &pc) || threads_go_on(glue, status, &pc, &target))
		status = run_once(glue, pc, UINT64_MAX, 0, target);
	return status;
}

/*
 * From any thread: the run is to end now, and the program does not go on: Unicorn also stops behind
 * a memory access and would execute that instruction again.  To stop and go on, set stop alone:
 * who hands out instructions and every probe look at it.
 */
void glue_stop(struct glue *glue)
{
	glue->stop = true;
	glue->uc.emu_stop(glue->engine_handle);
}
