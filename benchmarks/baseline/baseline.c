/*
 * What the same jobs cost with nothing around them: callbacks for benchmarks.
 *
 * Each does the least that its name says, straight on libunicorn.  A benchmark
 * builds this file, loads it with ctypes and installs them in an emulator of
 * its own.
 */
#include <stdbool.h>

#include "unicorn_api.h"

enum { RECORDS = 4096 };

struct baseline {
	struct uc_api uc;
	uint64_t hits, slot;
	uint64_t stored[4 * RECORDS];
};

struct baseline baseline;

void on_count(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	(void)uc;
	(void)address;
	(void)size;
	((struct baseline *)data)->hits++;
}

/* Four registers, one call each, into memory that is used again and again. */
void on_store(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct baseline *self = data;
	uint64_t *to = self->stored + 4 * (self->hits++ % RECORDS);

	(void)address;
	(void)size;
	for (int i = 0; i < 4; i++)
		self->uc.reg_read(uc, UC_REG_X0 + i, to + i);
}

/* The only breakpoint: on to its slot. */
void on_break(uc_engine *uc, uint32_t number, void *data)
{
	struct baseline *self = data;

	if (number != UC_EXCP_BKPT) {
		self->uc.emu_stop(uc);
		return;
	}
	self->hits++;
	self->uc.reg_write(uc, UC_REG_PC, &self->slot);
}

/* Every page is where it says it is; data pages are not executable. */
bool on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data)
{
	(void)uc;
	(void)data;
	ret->physical = address & ~(uint64_t)4095;
	ret->perms = type == UC_MEM_FETCH ? 5 : 3;
	return true;
}
