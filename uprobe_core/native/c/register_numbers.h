/* Which register is which: what the architecture's plugin says (uprobe_core/architecture.py). */
#ifndef UPROBE_REGISTER_NUMBERS_H
#define UPROBE_REGISTER_NUMBERS_H

#include "numbers.h"

enum { UP_NO_REGISTER = 255, UP_VECTORS = 32 };

struct up_registers {
	uint8_t count;		/* numbers are 0 to count - 1 */
	uint8_t sp, pc;
	uint8_t result;		/* holds what a function returns */
	uint8_t link;		/* holds the return address at a function's start, and after a return */
	uint8_t frame;		/* points to the newest frame record; UP_NO_REGISTER: there are none */
	uint8_t width;		/* bytes of a register, a pointer and a stack slot: 4 or 8 */
	uint64_t mask;		/* all bits of a register */
	uint64_t end;		/* of the addresses that arguments may lie at; 0: all may */
};

/* Whether registers make sense; sets their mask and no end. */
bool up_registers_prepare(struct up_registers *registers);

#endif
