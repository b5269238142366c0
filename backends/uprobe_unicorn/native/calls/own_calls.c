/* Which calls have a form here, and what is the same for all. */
#include "own_calls.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "allocate.h"
#include "call_entries.h"
#include "call_lookups.h"
#include "call_maps.h"
#include "call_opening.h"
#include "call_plain.h"
#include "call_status.h"
#include "call_transfers.h"
#include "call_waits.h"
#include "emulator.h"
#include "slots.h"

enum { X8 = 8, MOST_FILES = 1 << 16 };

/* By number, each with its row in uprobe_linux/syscalls/forms.py: include/uapi/asm-generic/unistd.h. */
static call_form *const forms[CALL_NUMBERS] = {
	[22] = call_epoll_wait, [23] = call_dup, [25] = call_fcntl, [34] = call_mkdirat,
	[35] = call_unlinkat, [36] = call_symlinkat, [37] = call_linkat, [38] = call_renameat,
	[43] = call_statfs, [44] = call_fstatfs, [48] = call_faccessat, [56] = call_openat, [57] = call_close, [61] = call_getdents, [62] = call_lseek, [63] = call_read,
	[64] = call_write, [65] = call_readv, [66] = call_writev, [67] = call_pread,
	[68] = call_pwrite, [73] = call_poll, [78] = call_readlinkat, [79] = call_newfstatat, [80] = call_fstat,
	[96] = call_set_tid_address, [98] = call_futex, [99] = call_set_robust_list, [113] = call_clock_gettime, [134] = call_sigaction, [135] = call_sigprocmask, [169] = call_gettimeofday,
	[124] = call_yield, [172] = call_getpid, [178] = call_gettid, [215] = call_munmap, [222] = call_mmap, [261] = call_prlimit, [276] = call_renameat2, [291] = call_statx, [293] = call_rseq,
};

bool calls_have(unsigned number)
{
	return number < CALL_NUMBERS && forms[number];
}

/* --- what forms ask for ------------------------------------------------------------------- */

static const struct extent *extent_of(struct glue *glue, uint64_t address)
{
	const struct extent *extent = extents_find(&glue->data, address);
	struct uc_tlb_entry entry;

	if (extent)
		return extent;
	/* As a load by the program: what it has not touched yet is asked for once. */
	if (!maps_fill(glue, address, &entry) && !glue->fill(glue->context, address, PERM_READ, &entry))
		return NULL;
	return extents_find(&glue->data, address);
}

/*
 * A page whose code may be translated is never writable here without being executable as well, and then
 * it takes more than a store (uprobe_linux.memory.code_pages).
 */
void *call_piece(const struct call *call, uint64_t address, unsigned perm, uint64_t *size_ret)
{
	struct glue *glue = call->glue;
	uint64_t at = address & TAG_MASK;
	const struct extent *extent = extent_of(glue, at);

	if (!extent || !(extent->perms & perm) || (perm == PERM_WRITE && extent->perms & PERM_EXEC))
		return NULL;
	uint64_t physical = extent->physical + (at - extent->start);
	*size_ret = extent->end - at;
	return physical + *size_ret <= glue->arena_size ? glue->arena + physical : NULL;
}

void *call_memory(const struct call *call, uint64_t address, uint64_t size, unsigned perm)
{
	uint64_t found;
	void *place = call_piece(call, address, perm, &found);

	return place && size <= found ? place : NULL;
}

const struct call_file *call_file(const struct call *call, uint64_t fd, uint32_t kinds)
{
	struct calls *calls = call->calls;
	uint32_t index = (uint32_t)fd;

	if (!(call->lent & LENT_FILES))
		return NULL;
	if (index >= calls->file_count || !(calls->files[index].kinds & CALL_KNOWN)) {
		calls->missed = (uint64_t)index + 1;
		return NULL;
	}
	const struct call_file *file = &calls->files[index];
	return (file->kinds & kinds) == kinds ? file : NULL;
}

bool call_refuse(struct call *call, int error)
{
	call->result = -error;
	call->refused = true;
	return false;
}

bool call_needs_open(struct call *call, uint64_t fd)
{
	const struct calls *calls = call->calls;
	uint32_t index = (uint32_t)fd;

	if (!(call->lent & LENT_FILES) || index >= MOST_FILES || (index < calls->file_count && calls->files[index].kinds))
		return false;
	return call_refuse(call, EBADF);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static bool make_room(struct calls *calls, unsigned fd)
{
	unsigned count = calls->file_count ? calls->file_count : 64;

	while (count <= fd)
		count *= 2;
	struct call_file *files = up_reallocate(calls->files, count * sizeof(*files));
	if (!files)
		return false;
	memset(files + calls->file_count, 0, (count - calls->file_count) * sizeof(*files));
	calls->files = files;
	calls->file_count = count;
	return true;
}

/* Numbers from MOST_FILES on are Python's alone, and none of those is given out here. */
bool calls_file(struct calls *calls, unsigned fd, struct call_file file)
{
	if (fd >= MOST_FILES || (fd >= calls->file_count && !file.kinds))
		return true;
	if (fd >= calls->file_count && !make_room(calls, fd))
		return false;
	calls->files[fd] = file;
	if (!file.kinds && fd < calls->lowest)
		calls->lowest = fd;
	return true;
}

void calls_mounted(struct calls *calls, const char *name, struct call_file file)
{
	if (calls->mounted_count < CALL_MOUNTED && strlen(name) < CALL_NAME) {
		struct call_mounted *mounted = &calls->mounted[calls->mounted_count++];
		memset(mounted->name, 0, CALL_NAME);
		memcpy(mounted->name, name, strlen(name));
		mounted->file = file;
	} else if (!strchr(name, '/')) {	/* else the row of its first component says that it is Python's */
		calls->mounted_count = CALL_MOUNTED + 1;
	}
}

void calls_forget_files(struct calls *calls)
{
	calls->lowest = 0;
	if (calls->file_count)
		memset(calls->files, 0, calls->file_count * sizeof(*calls->files));
}

bool calls_can_note(const struct calls *calls, size_t text)
{
	return calls->change_count < CALL_CHANGES && text < CALL_TEXT - calls->text_used;
}

void calls_note(struct calls *calls, struct call_change change, const char *text)
{
	size_t size = strlen(text) + 1;

	change.text = calls->text_used;
	memcpy(calls->text + calls->text_used, text, size);
	calls->text_used += (unsigned)size;
	calls->changes[calls->change_count++] = change;
}

void calls_deinit(struct calls *calls)
{
	free(calls->files);
	calls->files = NULL;
	calls->file_count = 0;
}

/* --- making one ---------------------------------------------------------------------------- */

/* The time of the call has passed: the run goes on with what is left of its slice, or ends here. */
static void go_on(struct glue *glue, uint64_t executed, uint64_t pc)
{
	struct calls *calls = glue->calls;

	calls->made++;
	calls->passed += calls->call_ns;
	glue->clock += calls->call_ns;
	calls->threads.grace = THREAD_GRACE;
	if (calls->look_at == UINT64_MAX)
		return;
	uint64_t base = calls->monotonic + calls->passed;
	if (base + executed > calls->look_at) {
		glue->event = GLUE_CALLED;
		glue->uc.emu_stop(glue->engine_handle);
		return;
	}
	uint64_t target = calls->look_at - base;	/* no less than executed */
	work_start(&glue->work, pc, target > executed ? target : executed ? executed - 1 : 0);
}

static bool is_plain(const struct glue *glue, uint64_t pc)
{
	return glue->calls && glue->calls->on && !glue->calls->clock_is_host && glue->event == GLUE_NONE &&
	       !glue->stop && glue->source.registers && !(glue->area_count && area_at(glue, pc));
}

/* Whether the row of a call says that it may be made here now, with these arguments. */
static bool may_make(const struct calls *calls, const struct call_row *row, const struct call *call)
{
	if (!(row->lent & LENT_MADE) || (row->lent & LENT_COUNTED && calls->counted))
		return false;
	if (row->lent & LENT_TURN && calls->monotonic + call->now >= calls->turn_ends)
		return false;
	for (unsigned i = 0; i < row->mask_count; i++) {
		const struct call_mask *mask = &row->masks[i];
		if (mask->when_bits && !(call->args[mask->when] & mask->when_bits))
			continue;
		if (call->args[mask->argument] & UINT32_MAX & ~mask->bits)
			return false;
	}
	return true;
}

bool calls_make(struct glue *glue)
{
	uint64_t *registers = (uint64_t *)(uintptr_t)glue->source.registers;

	if (!registers || !is_plain(glue, registers[GLUE_PC]))
		return false;
	uint32_t number = (uint32_t)registers[X8];
	struct calls *calls = glue->calls;
	if (number >= CALL_NUMBERS || !forms[number])
		return false;
	const struct call_row *row = &calls->rows[number];
	uint64_t executed = work_done(&glue->work);
	struct call call = {.glue = glue, .calls = calls, .lent = row->lent,
			    .now = executed + calls->passed + calls->call_ns};
	memcpy(call.args, registers, sizeof(call.args));
	if (!may_make(calls, row, &call) || (!forms[number](&call) && !call.refused))
		return false;
	registers[0] = (uint64_t)call.result;
	go_on(glue, executed, registers[GLUE_PC]);
	return true;
}
