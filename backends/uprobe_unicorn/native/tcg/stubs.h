/* Code of ours that translated code reaches by a call: one page for each engine. */
#ifndef UPROBE_STUBS_H
#define UPROBE_STUBS_H

#include <stdbool.h>

#include "shortcuts_state.h"

/*
 * Offsets of the stubs: the check that blocks made before; the same, after asking for more instructions;
 * counting of a block of many; and the look-up of an indirect branch.
 */
enum { CHECK_STUB = 0, ASK_STUB = 64, MANY_STUB = 128, LOOK_UP_STUB = 192 };

/* A page below code, which is at the start of what is ever translated; false: none was free. */
bool place_stubs(struct shortcuts *shortcuts, const unsigned char *code);
void remove_stubs(struct shortcuts *shortcuts);

#endif
