/* What the shortcuts of one engine know. */
#ifndef UPROBE_SHORTCUTS_STATE_H
#define UPROBE_SHORTCUTS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "builds.h"
#include "tally.h"
#include "unicorn_api.h"
#include "work.h"

enum { TARGETS = 1 << 14 };

/* The block for pc in state, while generation lasts. */
struct target {
	uint64_t pc, state, generation;
	void *code;
};

struct shortcuts {
	char *env;
	uc_engine *engine;
	const char *context;
	const struct layout *layout;
	struct work *work;
	void *check, *look_up, *block_at, *flush_page;
	unsigned char *stubs;	/* a page within the reach of a call in translated code */
	uint64_t uncounted;	/* blocks without the check that is to be replaced: there are none */
	char no_block[64];	/* what the emulator takes for the last block while there was none */
	struct tally_keeper *keeper;	/* of how often blocks are entered; NULL: nobody asks */
	unsigned piece_count;	/* of those that count that: see tally.c */
	uint32_t piece_flushes;	/* how often all translations were flushed before the newest one */
	struct target targets[TARGETS];
};

/* What lies at an offset in bytes. */
#define AT(type, base, offset) (*(type *)((char *)(base) + (offset)))

#endif
