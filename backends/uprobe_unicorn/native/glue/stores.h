/*
 * Pages that somebody waits for a store to: those that change nothing of what is watched are made here.
 *
 * The emulator may not write such a page, so that each store faults. Most are of one or two registers, and elsewhere
 * in the page: uprobe_linux/pausing makes them in Python, which is the reference and takes ten times as long.
 */
#ifndef UPROBE_STORES_H
#define UPROBE_STORES_H

#include <stdbool.h>
#include <stdint.h>

enum { MOST_WATCHED = 8 };

struct glue;

/* From now on for the page, until it is flushed: what is in [start, end) of a range is watched. False: no room. */
bool stores_keep(struct glue *glue, uint64_t page, uint64_t physical, const uint64_t (*ranges)[2], unsigned count);
/*
 * The run has ended with status. Whether that was over a store to such a page that changes nothing of what is watched:
 * it is made then, and *pc is behind it.
 */
bool stores_go_on(struct glue *glue, int status, uint64_t *pc);

#endif
