/* From one thread to another without leaving the run. */
#ifndef UPROBE_SWITCHING_H
#define UPROBE_SWITCHING_H

#include <stdbool.h>
#include <stdint.h>

struct glue;

/*
 * The run has ended with status: whether somebody runs on at once, whose registers then are the emulator's,
 * from *pc_ret until more than *target_ret instructions are executed.
 */
bool threads_go_on(struct glue *glue, int status, uint64_t *pc_ret, uint64_t *target_ret);

#endif
