/* As much of an emulator as the glue calls: registers, a list of hooks, a script instead of guest code. */
#ifndef FAKE_UNICORN_H
#define FAKE_UNICORN_H

#include "emulator.h"

enum { FAKE_HOOKS = 64, FAKE_MEMORY = 1 << 20 };

struct fake_hook {
	int type;		/* 0: there is none */
	void *callback, *data;
	uint64_t begin, end;
};

struct fake {
	struct fake_hook hooks[FAKE_HOOKS];
	uint64_t registers[(GLUE_PSTATE + 1)];
	int refuse;			/* hook_add fails so often, after that many successes */
	unsigned forgotten, flushed;	/* calls for translated code, for translations */
	_Atomic unsigned stopped;
	/* What guest code does in a run, from pc on; its result is uc_err. */
	int (*script)(struct fake *fake, uint64_t pc);
	uint64_t refused_fill;		/* last address that Python (fill) was asked for, and refused */
	bool python_stops;
	unsigned python_hooks;
	struct glue glue;
	struct up_engine *engine;
	char memory[FAKE_MEMORY];
};

/* A glue that is connected to engine (NULL: to none). */
struct fake *fake_open(struct up_engine *engine);
void fake_close(struct fake *fake);
/* Calls the code (or block) hooks that cover address, as the emulator would; PC is there. */
void fake_reach(struct fake *fake, int type, uint64_t address);
void fake_interrupt(struct fake *fake, uint32_t number);
/* Asks for a translation; false: refused. */
bool fake_fill(struct fake *fake, uint64_t address, int type, struct uc_tlb_entry *ret);
unsigned fake_hooks(const struct fake *fake, int type);

#endif
