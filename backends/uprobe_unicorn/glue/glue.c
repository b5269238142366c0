/* Hooks in C, and the run from one event to the next. */
#include "glue.h"

#include <stdlib.h>
#include <string.h>

/* Virtual window + p shows physical p, to forget translated code alone. */
static const uint64_t window = UINT64_C(1) << 52;

#define NOWHERE UINT64_MAX

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

/* --- hooks --------------------------------------------------------------------------- */

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
bool glue_reached(struct place *place)
{
	struct glue *glue = place->glue;
	uint64_t watch;

	glue->engine->called = false;
	if (place->watched && glue->api->return_hit(glue->engine, &glue->source, place->address) && place->site)
		glue->engine->now -= glue->engine->hit_cost;	/* one arrival, however much happens at it */
	if (place->site && glue->api->site_hit(place->site, &glue->source, &watch))
		want_watch(glue, place, watch);
	bool moved = glue->engine->called && glue_reg(glue, UP_PC) != place->address;
	if (moved)
		stop_at_hook(glue, place->address);
	else if (glue->stop || was_to_stop(glue, place->address))
		stop_at_place(glue, place);
	return moved;
}

void glue_on_inline(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct place *place = data;
	struct glue *glue = place->glue;

	(void)uc;
	(void)size;
	if (glue->skips && glue->skip == address) {
		glue->skips--;
		return;
	}
	if (place->site && place->site->kind == UP_SITE_COUNT && !place->watched && !place->after_python) {
		up_count_hit(place->site);
		if (glue->stop)
			stop_at_place(glue, place);
		return;
	}
	glue_reached(place);
}

/* The start of a block where nothing but returns is watched. */
static void on_return_block(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct place *place = data;
	struct glue *glue = place->glue;

	(void)uc;
	(void)size;
	if (glue->skips && glue->skip == address) {
		glue->skips--;
		return;
	}
	if (glue->source.registers)	/* a block that was jumped to directly begins before PC is up to date */
		((uint64_t *)(uintptr_t)glue->source.registers)[UP_PC] = address;
	glue->engine->called = false;
	glue->api->return_hit(glue->engine, &glue->source, address);
	if (glue->engine->called && glue_reg(glue, UP_PC) != address)
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
	if (glue->skips && glue->skip == address) {
		glue->skips--;
		return;
	}
	if (!glue->inline_hook(glue->context, address) && !glue->stop && !was_to_stop(glue, address))
		return;
	const struct place *place = table_find(glue, address);
	if (place && (place->tail || place->after_python) && glue_reg(glue, UP_PC) == address)
		stop_after_hook(glue, address);
	else
		stop_at_hook(glue, address);
}

static bool tail_does_it(const struct place *place)
{
	return place->tail && !(place->steps && !place->glue->engine->trampoline);
}

/*
 * The run ends at the trap at address, whose handlers have run: the core does the instruction.  It counts
 * the trap, too.
 */
static void leave_to_core(struct glue *glue)
{
	glue->engine->now -= glue->engine->hit_cost;
	glue->event = GLUE_BREAK;
	glue->uc.emu_stop(glue->engine_handle);
}

/* A trapped place: what a kernel does in handle_swbp, without leaving the emulator. */
static bool on_trap(struct glue *glue)
{
	uint64_t pc = glue_reg(glue, UP_PC);
	struct place *place = table_find(glue, pc);

	if (!place || !(place->tail || place->core))
		return false;
	if (tail_does_it(place)) {
		if (!glue_reached(place))
			glue_set_reg(glue, UP_PC, place->tail);
		return true;
	}
	bool was_here = glue->skip == pc;	/* its handlers have run */
	glue->skip = NOWHERE;
	if (was_here || (!glue_reached(place) && glue->event != GLUE_HOOK))
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
	if (glue->api->trampoline_hit(glue->engine, &glue->source)) {
		if (glue->stop)
			stop_at_hook(glue, address);
		return;
	}
	glue->interrupt = 1;
	glue->event = GLUE_UNDEFINED;
	glue->uc.emu_stop(glue->engine_handle);
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *data)
{
	struct glue *glue = data;

	if (number == UC_EXCP_BKPT && glue->table_count && on_trap(glue))
		return;
	if (number == UC_EXCP_BKPT && glue->engine && glue->engine->trampoline &&
	    glue_reg(glue, UP_PC) == glue->engine->trampoline) {
		on_trampoline(glue);
		return;
	}
	glue->interrupt = number;
	glue->event = number == UC_EXCP_SVC ? GLUE_SYSCALL : number == UC_EXCP_BKPT ? GLUE_BREAK :
		      number == 4 ? GLUE_ALIGN : GLUE_UNDEFINED;
	glue->uc.emu_stop(uc);
}

/*
 * Counts instructions and ends the slice at the first block after it; never inside a slot, and
 * not before an instruction whose hooks were delivered: they would be delivered once more.
 */
static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct glue *glue = data;
	bool skips = glue->skips && glue->skip == address;

	if ((glue->stop || (glue->limited && glue->budget <= 0)) && !skips && !area_at(glue, address)) {
		glue->event = GLUE_SLICE;
		glue->uc.emu_stop(uc);
		return;
	}
	glue->executed += size / 4;
	glue->budget -= size / 4;
}

/* --- translation ------------------------------------------------------------------------ */

static bool answer(struct uc_tlb_entry *ret, const struct extent *extent, uint64_t page)
{
	ret->physical = extent->physical + (page - extent->start);
	ret->perms = extent->perms;
	return true;
}

/* Forgets which addresses are where; the emulator's TLB doubles if it is nearly full (cputlb.c). */
void glue_flush(struct glue *glue)
{
	glue->fills = 0;
	glue->uc.ctl(glue->engine_handle, uc_ctl_write(UC_CTL_TLB_FLUSH, 0));
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
	glue_flush(glue);
}

static bool on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data)
{
	struct glue *glue = data;
	uint64_t page = address & (TAG_MASK & ~(uint64_t)(PAGE_SIZE - 1));
	int access = type == UC_MEM_FETCH ? PERM_EXEC : type == UC_MEM_WRITE ? PERM_WRITE : PERM_READ;
	const struct extent *extent;

	(void)uc;
	if (glue->forgetting && address >= window && address < 2 * window) {
		*ret = (struct uc_tlb_entry){address - window, PERM_ALL};
		return true;
	}
	if (++glue->fills > glue->grow_at)
		grow(glue);
	if (access == PERM_EXEC) {
		extent = extents_find(&glue->hidden, page);
		if (extent)
			return answer(ret, extent, page);
	}
	extent = extents_find(access == PERM_EXEC ? &glue->code : &glue->data, page);
	if (extent && extent->perms & (unsigned)access)
		return answer(ret, extent, page);
	glue->slow_fills++;
	if (glue->fill(glue->context, address, access, ret))
		return true;
	glue->refused = access;
	glue->refused_page = address & ~(uint64_t)(PAGE_SIZE - 1);
	return false;
}

/* Forgets translated code of virtual [start, end). */
void glue_forget_translations(struct glue *glue, uint64_t start, uint64_t end)
{
	glue->uc.ctl(glue->engine_handle, uc_ctl_write(UC_CTL_TB_REMOVE, 2), start, end);
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
	void *callback = (void *)(uintptr_t)(place->by_block ? on_return_block : glue_on_inline);
	return glue->uc.hook_add(glue->engine_handle, &place->hook, place->by_block ? UC_HOOK_BLOCK : UC_HOOK_CODE,
				 callback, place, place->address, place->address);
}

void glue_note_python(struct glue *glue, uint64_t address, bool present)
{
	struct place *place = table_find(glue, address);

	if (!place)
		return;
	place->then_python = present;
	place->after_python = false;
}

void glue_remove_inline(struct glue *glue, struct place *place)
{
	if (place->hook)
		glue->uc.hook_del(glue->engine_handle, place->hook);
	place->hook = 0;
}

/* --- life and running -------------------------------------------------------------------------- */

/* Switches counting of instructions on or off; the caller makes the emulator forget its code. */
int glue_count_blocks(struct glue *glue, bool on)
{
	if (on == (glue->block_hook != 0))
		return 0;
	if (on)
		return glue->uc.hook_add(glue->engine_handle, &glue->block_hook, UC_HOOK_BLOCK,
					 (void *)(uintptr_t)on_block, glue, 1, 0);
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
	return !add_hook(glue, UC_HOOK_TLB_FILL, (void *)(uintptr_t)on_fill) &&
	       !add_hook(glue, UC_HOOK_INTR, (void *)(uintptr_t)on_interrupt);
}

void *glue_python_hook(void)
{
	return (void *)(uintptr_t)on_python;
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
