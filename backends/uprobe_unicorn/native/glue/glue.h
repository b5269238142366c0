/*
 * Between libunicorn and the engine: hooks in C, translations, slots.
 *
 * One struct glue belongs to one uc_engine and lives in the thread that runs
 * it; glue_stop alone may be called from others.  Pure C; glue_module.c alone
 * knows Python.
 */
#ifndef UPROBE_GLUE_H
#define UPROBE_GLUE_H

#include <poll.h>
#include <pthread.h>

#include "api.h"
#include "shortcuts.h"
#include "unicorn_api.h"

enum { FIRST_TLB = 600, LARGEST_TLB = 1 << 16 };

enum { PAGE_SIZE = 4096, PERM_READ = 1, PERM_WRITE = 2, PERM_EXEC = 4, PERM_ALL = 7 };

/* Bits above are a tag that the MMU ignores. */
#define TAG_MASK ((UINT64_C(1) << 56) - 1)

/* Why run came back: the numbers of uprobe_linux.cpu.Event where they agree. */
enum glue_event { GLUE_NONE = -1, GLUE_SYSCALL = 1, GLUE_BREAK = 2, GLUE_UNDEFINED = 3, GLUE_ALIGN = 4,
		  GLUE_HOOK = 6, GLUE_SLICE = 7 };

/* --- translations (tlb.c) ----------------------------------------------------- */

/* [start, end) of one kind of access is at physical on. */
struct extent {
	uint64_t start, end, physical;
	uint32_t perms;
};

struct extents {
	struct extent *items;	/* sorted by start, not overlapping */
	unsigned count, capacity, last;
};

bool extents_add(struct extents *extents, struct extent extent);
void extents_drop(struct extents *extents, uint64_t start, uint64_t end);
const struct extent *extents_find(struct extents *extents, uint64_t address);
void extents_deinit(struct extents *extents);

/* --- relocation (relocate.c) ---------------------------------------------------- */

enum { MAX_RELOCATED = 7, TAIL_WORDS = 8 };

/*
 * The instructions that do at address to what word does at address from,
 * branch back included.  Returns how many, 0 if it cannot be done.
 */
unsigned relocate(uint32_t word, uint64_t from, uint64_t to, uint32_t ret[TAIL_WORDS]);
bool branch_word(uint64_t from, uint64_t to, uint32_t *ret);
/* Where the unconditional branch word at address goes; false if it is none. */
bool branch_target(uint32_t word, uint64_t address, uint64_t *ret);

/* --- sites and slots (slots.c) ----------------------------------------------------- */

/* A probed or watched address. */
struct place {
	uint64_t address;
	struct up_site *site;	/* NULL: returns are watched here */
	bool watched;
	uint64_t tail;		/* of its slot; 0: it has none */
	bool core;		/* trapped: what the tail cannot do, or would not do exactly, the core does */
	bool steps;		/* the core does it in its XOL area, which has to be there before the tail is used */
	size_t hook;		/* its hook, when it is inline */
	bool by_block;		/* that is a block hook */
	bool then_python, after_python;	/* a hook of Python's at the same address is called later, earlier */
	struct glue *glue;
};

/* Entries, one branch each, under one code hook; behind them the tails with the displaced instructions. */
struct area {
	uint64_t start, tails, end;
	uint64_t physical;
	struct place **places;	/* by entry */
	unsigned count, capacity;
	size_t hook;
	struct glue *glue;
};

/* --- what happens outside (watch.c) -------------------------------------------------- */

enum { MAX_WATCHED = 8 };

/* polls[0] ends the thread; from first_final on, the run is to end. */
struct watch {
	struct pollfd polls[MAX_WATCHED];
	unsigned count, first_final;
	volatile bool rung;	/* since somebody last looked */
	bool running;
	pthread_t thread;
	struct glue *glue;
};

bool watch_start(struct watch *self, struct glue *glue);
/* polls[0] must be readable. */
void watch_join(struct watch *self);

struct glue {
	struct uc_api uc;
	uc_engine *engine_handle;
	const struct up_api *api;
	struct up_engine *engine;	/* NULL until one is connected */
	struct up_source source;
	char *arena;
	uint64_t arena_size;
	struct extents data, code, hidden;

	/* Python's part; may be called in any callback. */
	void *context;
	bool (*fill)(void *context, uint64_t address, int access, struct uc_tlb_entry *ret);
	bool (*inline_hook)(void *context, uint64_t address);

	int event;
	unsigned interrupt;
	uint64_t hook_address;
	uint64_t skip;			/* its hooks were delivered already */
	unsigned skips;			/* that many are still to be passed over */
	uint64_t refused_page;
	bool forgetting;		/* the window is asked for, and not by the program */
	int refused;			/* the PERM_ bit of the last access that was, 0: none since it was cleared */
	volatile bool stop;
	uint64_t last_watch;		/* a return address that is watched */
	uint64_t wanted[16];		/* return addresses to watch from now on */
	unsigned wanted_count;

	int64_t budget;			/* instructions left, while block_hook counts */
	uint64_t executed;
	size_t block_hook;
	bool limited;

	struct area **areas;
	unsigned area_count;
	struct place **table;		/* trapped places by address, open addressing */
	unsigned table_count, table_mask;
	uint64_t fills, slow_fills;	/* since the last flush; answered by Python */
	uint64_t grow_at;
	struct shortcuts *shortcuts;	/* NULL where there are none */
};

bool glue_init(struct glue *glue);
void glue_deinit(struct glue *glue);
/*
 * Runs from pc until an event; returns uc_err.  The hooks at skip were delivered
 * already: the first skips of Python's and the one of the place there are passed over.
 */
int glue_run(struct glue *glue, uint64_t pc, uint64_t skip, unsigned skips, int64_t budget);
void glue_stop(struct glue *glue);
void glue_flush(struct glue *glue);
void glue_forget_translations(struct glue *glue, uint64_t start, uint64_t end);
int glue_count_blocks(struct glue *glue, bool on);
uint64_t glue_reg(void *context, unsigned index);
void glue_set_reg(struct glue *glue, unsigned index, uint64_t value);
/* Lets registers be read in place, if they can be found (registers.c). */
void glue_find_registers(struct glue *glue);
size_t glue_read(void *context, uint64_t address, void *ret, size_t size);
bool glue_reached(struct place *place);

int glue_add_inline(struct glue *glue, struct place *place, bool after_python);
void glue_remove_inline(struct glue *glue, struct place *place);
/* Python has (or no longer has) a code hook at address. */
void glue_note_python(struct glue *glue, uint64_t address, bool present);
/* The callback of code hooks whose probes are Python's; its data is the glue. */
void *glue_python_hook(void);
void glue_on_inline(uc_engine *uc, uint64_t address, uint32_t size, void *data);
void glue_on_interrupt(uc_engine *uc, uint32_t number, void *data);
void glue_on_block(uc_engine *uc, uint64_t address, uint32_t size, void *data);
bool glue_on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data);
/* Whether the slot of place executes its instruction; else the core does. */
bool tail_does_it(const struct place *place);

struct place *table_find(const struct glue *glue, uint64_t address);
bool table_add(struct glue *glue, struct place *place);
void table_remove(struct glue *glue, struct place *place);
struct area *area_create(struct glue *glue, uint64_t start, uint64_t physical, unsigned slots);
void area_destroy(struct area *area);
uint64_t area_size(unsigned slots);
struct area *area_at(const struct glue *glue, uint64_t address);
/* Gives place a slot in area for the displaced word; returns the entry's address, 0 if it cannot be. */
uint64_t area_add(struct area *area, struct place *place, uint32_t word);
void area_forget(struct glue *glue, const struct place *place);
bool area_is_empty(const struct glue *glue, uint64_t address);
/* If pc is in a slot: runs on until it is not, and returns where the task is as the program sees it. */
uint64_t slot_leave(struct glue *glue, uint64_t pc, bool faulted);

#endif
