/* Instructions of a new block put in place of others. */
#ifndef UPROBE_REWRITE_H
#define UPROBE_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shortcuts_state.h"

/*
 * Lets the code of the block at pc count its instructions, and how often it is entered if somebody asks,
 * where it makes its check.  False: the check is not there, or does not look like one.
 */
bool count_block(struct shortcuts *shortcuts, unsigned char *code, size_t size, uint64_t pc, unsigned count);
/* Sends the look-ups of the block's indirect branches to ours. */
void shorten_jumps(const struct shortcuts *shortcuts, unsigned char *code, size_t size);

#endif
