/*
 * One emulator as the glue sees it, and its registers and memory for the engine.
 *
 * One struct glue belongs to one uc_engine and lives in the thread that runs
 * it; glue_stop alone may be called from others.  Pure C; glue_module*.c alone
 * know Python.
 */
#ifndef UPROBE_EMULATOR_H
#define UPROBE_EMULATOR_H

#include "api.h"
#include "shortcuts.h"
#include "stores.h"
#include "tlb.h"
#include "unicorn_api.h"
#include "work.h"

/* Bits above are a tag that the MMU ignores. */
#define TAG_MASK ((UINT64_C(1) << 56) - 1)

/* Why run came back: the numbers of uprobe_linux.cpu.Event where they agree. */
enum glue_event { GLUE_NONE = -1, GLUE_STOP = 0, GLUE_SYSCALL = 1, GLUE_BREAK = 2, GLUE_UNDEFINED = 3, GLUE_ALIGN = 4,
		  GLUE_HOOK = 6, GLUE_SLICE = 7, GLUE_CALLED = 9 };

/* Numbers of arm64's registers (uprobe_arm64/registers.py): x0-x30, then these; all but PSTATE lie in a row. */
enum { GLUE_SP = 31, GLUE_PC = 32, GLUE_PSTATE = 33, GLUE_DIRECT = 33 };

struct area;
struct code_seen;
struct calls;
struct place;

struct glue {
	struct uc_api uc;
	uc_engine *engine_handle;
	const struct up_api *api;
	struct up_engine *engine;	/* NULL until one is connected */
	struct up_source source;
	char *arena;
	uint64_t arena_size;
	struct extents data, code, hidden;
	struct extents kept;		/* pages whose stores are made by stores.c */
	uint64_t watched[MOST_WATCHED][2];	/* what of them is not: [start, end) */
	unsigned watched_count;

	/* Python's part; may be called in any callback. */
	void *context;
	bool (*fill)(void *context, uint64_t address, int access, struct uc_tlb_entry *ret);
	bool (*inline_hook)(void *context, uint64_t address);
	void (*sample)(void *context, uint64_t block, uint64_t address);

	int event;
	unsigned interrupt;
	uint64_t hook_address;
	uint64_t skip;			/* its hooks were delivered already */
	unsigned skips;			/* that many are still to be passed over */
	uint64_t refused_page;
	bool forgetting;		/* the window is asked for, and not by the program */
	int refused;			/* the PERM_ bit of the last access that was, 0: none since it was cleared */
	_Atomic bool stop;		/* set from any thread */
	uint64_t last_watch;		/* a return address that is watched */
	uint64_t wanted[16];		/* return addresses to watch from now on */
	unsigned wanted_count;

	struct work work;		/* executed instructions */
	uint64_t every;			/* instructions from sample to sample */
	struct code_seen *seen;		/* executed code; NULL: nobody asks */
	uint64_t held_sample;		/* the next one, while none is taken; 0: that is not so */
	struct up_site *sampled;	/* that samples hit; NULL: they are Python's */
	uint64_t clock;			/* what the engine's clock shows less executed instructions, while guest code runs */

	struct area **areas;
	unsigned area_count;
	struct place **table;		/* trapped places by address, open addressing */
	unsigned table_count, table_mask;
	uint64_t fills, slow_fills;	/* since the last flush; answered by Python */
	uint64_t grow_at;
	bool tagged;			/* the emulator has looked up an address with a tag since the last flush */
	struct calls *calls;		/* NULL: all system calls are Python's */
	struct shortcuts *shortcuts;	/* NULL where there are none */
	const char *no_shortcuts;	/* why not */
};

/* Register index of the engine's numbers. */
uint64_t glue_reg(void *context, unsigned index);
void glue_set_reg(struct glue *glue, unsigned index, uint64_t value);
/* The data view, up to the first byte that the program could not read. */
size_t glue_read(void *context, uint64_t address, void *ret, size_t size);
/* How the engine reads and writes the task of glue. */
struct up_source glue_source(struct glue *glue);

#endif
