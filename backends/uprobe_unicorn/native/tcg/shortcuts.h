/*
 * Cheaper ways through two places of one known build of libunicorn.
 *
 * Every translated block calls a helper that asks whether to stop, and every
 * indirect branch one that looks its target up; together they are a third of
 * the time of a real program.  Where a block is new, its check is replaced by
 * one in place, which counts the block's instructions, and its look-up by one in
 * a table of our own.
 */
#ifndef UPROBE_SHORTCUTS_H
#define UPROBE_SHORTCUTS_H

#include <stdbool.h>

#include "tally.h"
#include "unicorn_api.h"
#include "work.h"

struct shortcuts;

/* Shortcuts for the blocks of engine, which then count work; NULL if there can be none: *why_ret says why. */
struct shortcuts *shortcuts_create(uc_engine *engine, const struct uc_api *api, struct work *work, const char **why_ret);
/* Address of x0 to x30 and SP in the engine, 0 if it is not known. */
uint64_t shortcuts_registers(const struct shortcuts *shortcuts);
/* Has the emulator forget where the page at address is; false: there is no way to. */
bool shortcuts_flush_page(const struct shortcuts *shortcuts, uint64_t address);
/* Before the emulator forgets where all pages are. */
void shortcuts_before_flush(const struct shortcuts *shortcuts);
/* Blocks that did not look as they should, and so are not counted. */
uint64_t shortcuts_uncounted(const struct shortcuts *shortcuts);
/*
 * Blocks that are translated from now on count with keeper how often they are entered; it has to stay.  False: there
 * is no memory in their reach.
 */
bool shortcuts_tally(struct shortcuts *shortcuts, struct tally_keeper *keeper);
/* The engine must not run any more. */
void shortcuts_destroy(struct shortcuts *shortcuts);

#endif
