/*
 * What the same jobs cost with nothing around them: callbacks for benchmarks.
 *
 * Each does the least that its name says, straight on libunicorn.  benchmarks/
 * installs them in an emulator of its own.
 */
#include "baseline.h"

#include <stdlib.h>

static void on_count(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	(void)uc;
	(void)address;
	(void)size;
	((struct baseline *)data)->hits++;
}

/* Four registers, one call each, into memory that is used again and again. */
static void on_store(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
	struct baseline *self = data;
	uint64_t *to = self->stored + 4 * (self->hits++ % BASELINE_RECORDS);

	(void)address;
	(void)size;
	for (int i = 0; i < 4; i++)
		self->uc.reg_read(uc, UC_REG_X0 + i, to + i);
}

/* The only breakpoint: on to its slot. */
static void on_break(uc_engine *uc, uint32_t number, void *data)
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
static bool on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data)
{
	(void)uc;
	(void)data;
	ret->physical = address & ~(uint64_t)4095;
	ret->perms = type == UC_MEM_FETCH ? 5 : 3;
	return true;
}

bool baseline_init(struct baseline *self, const struct uc_api *uc)
{
	self->uc = *uc;
	self->stored = malloc(BASELINE_RECORDS * 4 * sizeof(uint64_t));
	return self->stored != NULL;
}

void *baseline_callback(enum baseline_kind kind)
{
	switch (kind) {
	case BASELINE_COUNT:
		return (void *)(uintptr_t)on_count;
	case BASELINE_STORE:
		return (void *)(uintptr_t)on_store;
	case BASELINE_BREAK:
		return (void *)(uintptr_t)on_break;
	default:
		return (void *)(uintptr_t)on_fill;
	}
}
