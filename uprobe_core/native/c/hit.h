/* One hit while it is looked at. */
#ifndef UPROBE_HIT_H
#define UPROBE_HIT_H

#include "numbers.h"

struct up_call;
struct up_engine;
struct up_program;
struct up_registers;
struct up_source;
struct up_task;

struct up_hit {
	const struct up_source *source;
	const struct up_registers *registers;
	const struct up_program *program;
	uint64_t address;	/* probed; of a return, the function */
	uint64_t pc;		/* of a return, where it went */
	uint64_t block;		/* of a sample: the start of the block that pc is in, where the registers are from; else 0 */
	uint64_t file_offset;
	uint64_t now;		/* ns */
	uint64_t latency;	/* ns since entry, 0 at an entry */
	uint64_t insns;		/* instructions that the task executed since entry, 0 at an entry */
	const uint64_t *entry;	/* values captured at entry, NULL at an entry */
	const char *entry_text;	/* bytes of strings among them */
	struct up_call *call;	/* that returned, NULL at an entry */
	const struct up_task *task;
	struct up_engine *engine;
	uint64_t *cells;	/* values that are valid: see done */
	uint64_t done[UP_MAX_ARGS / 64];
	char *area;		/* UP_MAX_RECORD bytes for strings */
	unsigned area_size;
	bool texts_done;
};

/* A hit of the engine's running task, now; its place and its program are the caller's to set. */
void up_hit_init(struct up_hit *hit, const struct up_source *source, struct up_engine *engine);

#endif
