/*
 * How a backend's glue, another extension module, reaches the engine: a capsule
 * uprobe_core.native._engine.API holds one of these.  Objects are passed as addresses.
 */
#ifndef UPROBE_API_H
#define UPROBE_API_H

#include "hijack.h"
#include "returns.h"
#include "site.h"
#include "source.h"

#define UP_API_CAPSULE "uprobe_core.native._engine.API"

struct up_api {
	uint32_t abi;		/* UP_ABI */
	bool (*site_hit)(struct up_site *site, const struct up_source *source, uint64_t *ret);
	bool (*return_hit)(struct up_engine *engine, const struct up_source *source, uint64_t address);
	bool (*trampoline_hit)(struct up_engine *engine, const struct up_source *source);
	void (*sample_hit)(struct up_site *site, const struct up_source *source, uint64_t block, uint64_t address);
	void (*task_run)(struct up_task *task, struct up_engine *engine);
};

#endif
