/* The run from one event to the next. */
#ifndef UPROBE_RUN_H
#define UPROBE_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct glue;

/* Hooks what every run needs; false: the emulator refused. */
bool glue_init(struct glue *glue);
void glue_deinit(struct glue *glue);

/*
 * Runs from pc until an event; returns uc_err.  The hooks at skip were delivered
 * already: the first skips of Python's and the one of the place there are passed over.
 * Ends behind the first branch at which more than target instructions were executed; UINT64_MAX: any number.
 */
int glue_run(struct glue *glue, uint64_t pc, uint64_t skip, unsigned skips, uint64_t target);
/* From any thread: the run is to end now. */
void glue_stop(struct glue *glue);

#endif
