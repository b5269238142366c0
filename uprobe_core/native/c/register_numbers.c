/* Which register is which. */
#include "register_numbers.h"

bool up_registers_prepare(struct up_registers *registers)
{
	uint8_t count = registers->count;

	if ((registers->width != 4 && registers->width != 8) || count >= UP_NO_REGISTER)
		return false;
	registers->mask = UINT64_MAX >> (64 - 8u * registers->width);
	registers->end = 0;
	return registers->sp < count && registers->pc < count && registers->result < count && registers->link < count &&
	       (registers->frame < count || registers->frame == UP_NO_REGISTER);
}
