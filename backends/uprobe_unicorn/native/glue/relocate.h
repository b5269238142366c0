/* Displaced instructions, at another address. */
#ifndef UPROBE_RELOCATE_H
#define UPROBE_RELOCATE_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_RELOCATED = 7, TAIL_WORDS = 8 };

/*
 * The instructions that do at address to what word does at address from,
 * branch back included.  Returns how many, 0 if it cannot be done.
 */
unsigned relocate(uint32_t word, uint64_t from, uint64_t to, uint32_t ret[TAIL_WORDS]);
bool branch_word(uint64_t from, uint64_t to, uint32_t *ret);
/* Where the unconditional branch word at address goes; false if it is none. */
bool branch_target(uint32_t word, uint64_t address, uint64_t *ret);

#endif
