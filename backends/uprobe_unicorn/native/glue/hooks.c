/* What libunicorn calls: at probed places, at blocks, at interrupts. */
#include "hooks.h"

#include "code_seen.h"
#include "emulator.h"
#include "own_calls.h"
#include "places_table.h"
#include "slots.h"

#define NOWHERE UINT64_MAX

/* The program has executed so many instructions, and something of ours happens. */
static void look(struct glue *glue, uint64_t executed)
{
	glue->work.seen = executed;
	if (!glue->engine)
		return;
	glue->engine->work = executed;
	glue->engine->now = glue->clock + executed;
}

/* --- probed places --------------------------------------------------------------------- */

static void stop_at_hook(struct glue *glue, uint64_t address)
{
	glue->event = GLUE_HOOK;
	glue->hook_address = address;
	glue->uc.emu_stop(glue->engine_handle);
}

/* The same if more hooks of this address are to be called: the last of them stops. */
static void stop_after_hook(struct glue *glue, uint64_t address)
{
	glue->event = GLUE_HOOK;
	glue->hook_address = address;
}

static void stop_at_place(struct glue *glue, const struct place *place)
{
	if (place->then_python)
		stop_after_hook(glue, place->address);
	else
		stop_at_hook(glue, place->address);
}

static bool was_to_stop(const struct glue *glue, uint64_t address)
{
	return glue->event == GLUE_HOOK && glue->hook_address == address;
}

/* A return address that is not watched yet: the run ends here, so that it can be. */
static void want_watch(struct glue *glue, struct place *place, uint64_t address)
{
	if (address == glue->last_watch)
		return;
	const struct place *known = table_find(glue, address & TAG_MASK);
	if (known && known->watched) {
		glue->last_watch = address;
		return;
	}
	glue->wanted[glue->wanted_count++ % 16] = address & TAG_MASK;
	stop_at_place(glue, place);
}

/* The task is about to execute the instruction of place.  Answers whether a handler sent it elsewhere. */
static bool reached(struct place *place)
{
	struct glue *glue = place->glue;
	uint64_t watch;

	glue->engine->called = false;
	if (place->watched)
		glue->api->return_hit(glue->engine, &glue->source, place->address);
	if (place->site && glue->api->site_hit(place->site, &glue->source, &watch))
		want_watch(glue, place, watch);
	bool moved = glue->engine->called && glue_reg(glue, GLUE_PC) != place->address;
	if (moved)
		stop_at_hook(glue, place->address);
	else if (glue->stop || was_to_stop(glue, place->address))
		stop_at_place(glue, place);
	return moved;
}

/* Whether the hook of address was delivered before the run began. */
static inline bool pass_over(struct glue *glue, uint64_t address)
{
	if (!glue->skips || glue->skip != address)
		return false;
	glue->skips--;
	return true;
}

static void on_inline(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct place *place = data;
	struct glue *glue = place->glue;

	(void)uc;
	(void)size;
	if (pass_over(glue, address))
		return;
	if (place->site && place->site->kind == UP_SITE_COUNT && !place->watched && !place->after_python) {
		up_count_hit(place->site);
		if (glue->stop) {
			look(glue, work_at(&glue->work, address));
			stop_at_place(glue, place);
		}
		return;
	}
	look(glue, work_at(&glue->work, address));
	reached(place);
}

/* The entry of a slot, to which a branch has led that counts as the instruction. */
void glue_on_entry(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct area *area = data;
	unsigned index = (unsigned)((address - area->start) / 4);

	(void)uc;
	(void)size;
	if (index >= area->count || !area->places[index])
		return;
	look(area->glue, work_done(&area->glue->work) - 1);
	reached(area->places[index]);
}

/*
 * Whether the slice ends before this block: the task returns when its turn comes again.  Where translated
 * code counts, it asks after its hooks; else the hook that counts was first, and has asked for this block.
 */
static bool is_over(const struct glue *glue)
{
	return glue->shortcuts ? work_is_over(&glue->work) : glue->event == GLUE_SLICE;
}

/* The start of a block where nothing but returns is watched. */
static void on_return_block(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct place *place = data;
	struct glue *glue = place->glue;

	(void)uc;
	(void)size;
	if (pass_over(glue, address) || is_over(glue))
		return;
	if (glue->source.registers)	/* a block that was jumped to directly begins before PC is up to date */
		((uint64_t *)(uintptr_t)glue->source.registers)[GLUE_PC] = address;
	/* Where translated code counts, it does so after this; else the hook that counts was first. */
	look(glue, glue->shortcuts ? work_done(&glue->work) : work_at(&glue->work, address));
	glue->engine->called = false;
	glue->api->return_hit(glue->engine, &glue->source, address);
	if (glue->engine->called && glue_reg(glue, GLUE_PC) != address)
		stop_at_hook(glue, address);
	else if (glue->stop)
		stop_at_place(glue, place);
}

/* A code hook whose probe is Python's. */
static void on_python(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct glue *glue = data;

	(void)uc;
	(void)size;
	if (pass_over(glue, address))
		return;
	look(glue, work_at(&glue->work, address));
	if (!glue->inline_hook(glue->context, address) && !glue->stop && !was_to_stop(glue, address))
		return;
	const struct place *place = table_find(glue, address);
	if (place && (place->tail || place->core || place->after_python) && glue_reg(glue, GLUE_PC) == address)
		stop_after_hook(glue, address);
	else
		stop_at_hook(glue, address);
}

void *glue_python_hook(void)
{
	return (void *)(uintptr_t)on_python;
}

bool tail_does_it(const struct place *place)
{
	return place->tail && !(place->steps && !place->glue->engine->trampoline);
}

/* The run ends at the trap, whose handlers have run: the core does the instruction. */
static void leave_to_core(struct glue *glue)
{
	glue->event = GLUE_BREAK;
	glue->uc.emu_stop(glue->engine_handle);
}

/* A trapped place: what a kernel does in handle_swbp, without leaving the emulator. */
static bool on_trap(struct glue *glue)
{
	uint64_t pc = glue_reg(glue, GLUE_PC);
	struct place *place = table_find(glue, pc);

	if (!place || !(place->tail || place->core))
		return false;
	look(glue, work_at(&glue->work, pc));
	if (tail_does_it(place)) {
		if (!reached(place))
			glue_set_reg(glue, GLUE_PC, place->tail);
		return true;
	}
	bool was_here = glue->skip == pc;	/* its handlers have run */
	glue->skip = NOWHERE;
	if (was_here || (!reached(place) && glue->event != GLUE_HOOK))
		leave_to_core(glue);
	return true;
}

/* A hijacked return: what a kernel does in uprobe_handle_trampoline; without a call that it belongs to, SIGILL. */
static void on_trampoline(struct glue *glue)
{
	uint64_t address = glue->engine->trampoline;

	if (!glue->engine->task->pending.count) {	/* not of ours: let the core have a look */
		glue->event = GLUE_BREAK;
		glue->uc.emu_stop(glue->engine_handle);
		return;
	}
	if (work_is_over(&glue->work)) {	/* nobody asks before a block that is not the program's */
		glue->event = GLUE_SLICE;
		glue->uc.emu_stop(glue->engine_handle);
		return;
	}
	look(glue, work_done(&glue->work));
	if (glue->api->trampoline_hit(glue->engine, &glue->source)) {
		if (glue->stop)
			stop_at_hook(glue, address);
		return;
	}
	glue->interrupt = 1;
	glue->event = GLUE_UNDEFINED;
	glue->uc.emu_stop(glue->engine_handle);
}

void glue_on_interrupt(uc_engine *uc, uint32_t number, void *data)
{
	struct glue *glue = data;

	if (number == UC_EXCP_SVC && glue->calls && calls_make(glue))
		return;
	if (number == UC_EXCP_BKPT && glue->table_count && on_trap(glue))
		return;
	if (number == UC_EXCP_BKPT && glue->engine && glue->engine->trampoline &&
	    glue_reg(glue, GLUE_PC) == glue->engine->trampoline) {
		on_trampoline(glue);
		return;
	}
	glue->interrupt = number;
	glue->event = number == UC_EXCP_SVC ? GLUE_SYSCALL : number == UC_EXCP_BKPT ? GLUE_BREAK :
		      number == 4 ? GLUE_ALIGN : GLUE_UNDEFINED;
	glue->uc.emu_stop(uc);
}

/* Where translated code does not count its instructions itself. */
void glue_on_block(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct glue *glue = data;
	bool may_be_free = glue->area_count || (glue->engine && glue->engine->trampoline);

	(void)uc;
	if (!may_be_free || !glue->work.is_free(glue, address))
		work_count(&glue->work, address, size);
	if (glue->seen)
		code_seen_enter(glue, address, size);
}

/* --- inline hooks ---------------------------------------------------------------------------- */

/*
 * A return goes through a branch, and where a branch goes a block begins.  Hooks of each kind are
 * cheap as long as there is one: an entry's and its return's are of different kinds.
 */
int glue_add_inline(struct glue *glue, struct place *place, bool after_python)
{
	place->by_block = !place->site;
	place->then_python = after_python && place->by_block;	/* blocks come before instructions */
	place->after_python = after_python && !place->by_block;
	void *callback = (void *)(uintptr_t)(place->by_block ? on_return_block : on_inline);
	return glue->uc.hook_add(glue->engine_handle, &place->hook, place->by_block ? UC_HOOK_BLOCK : UC_HOOK_CODE,
				 callback, place, place->address, place->address);
}

void glue_note_python(struct glue *glue, uint64_t address, bool present)
{
	struct place *place = table_find(glue, address);

	if (!place)
		return;
	place->then_python = present && place->hook;	/* a trap or branch comes after the hook of its own address */
	place->after_python = false;
}

void glue_remove_inline(struct glue *glue, struct place *place)
{
	if (place->hook)
		glue->uc.hook_del(glue->engine_handle, place->hook);
	place->hook = 0;
}
