/* Registers and memory of the program for the engine. */
#include "emulator.h"

#include "call_maps.h"

#include <string.h>

static int register_of(unsigned index)
{
	if (index < 29)
		return UC_REG_X0 + (int)index;
	static const int rest[] = {UC_REG_X29, UC_REG_X30, UC_REG_SP, UC_REG_PC, UC_REG_PSTATE};
	return rest[index - 29];
}

/* NZCV and BTYPE are the program's; SSBS is what a kernel sets beside them, see uprobe_linux/processes/task.py. */
#define PSTATE_USER 0xf0000c00u
#define PSTATE_SSBS 0x1000u

uint64_t glue_reg(void *context, unsigned index)
{
	struct glue *glue = context;
	uint64_t value = 0;

	if (index <= GLUE_PC && glue->source.registers)
		return glue->source.registers[index];
	glue->uc.reg_read(glue->engine_handle, register_of(index), &value);
	return index == GLUE_PSTATE ? (value & PSTATE_USER) | PSTATE_SSBS : value;
}

void glue_set_reg(struct glue *glue, unsigned index, uint64_t value)
{
	glue->uc.reg_write(glue->engine_handle, register_of(index), &value);
}

static void set_reg(void *context, unsigned index, uint64_t value)
{
	glue_set_reg(context, index, value);
}

static uint64_t vector(void *context, unsigned index)
{
	struct glue *glue = context;
	uint64_t value[2] = {0, 0};

	glue->uc.reg_read(glue->engine_handle, UC_REG_V0 + (int)index, value);
	return value[0];
}

/* Where the byte at address lies and how many follow it there; false: the program cannot read it. */
static bool translate(struct glue *glue, uint64_t address, uint64_t *physical_ret, uint64_t *left_ret)
{
	const struct extent *extent = extents_find(&glue->data, address);
	struct uc_tlb_entry entry;

	if (extent && extent->perms & PERM_READ) {
		*physical_ret = extent->physical + (address - extent->start);
		*left_ret = extent->end - address;
		return true;
	}
	if (!maps_fill(glue, address, &entry) && !glue->fill(glue->context, address, PERM_READ, &entry))
		return false;
	*physical_ret = entry.physical + address % GUEST_PAGE;
	*left_ret = GUEST_PAGE - address % GUEST_PAGE;
	return *physical_ret + *left_ret <= glue->arena_size;
}

/* The data view, up to the first byte that the program could not read. */
size_t glue_read(void *context, uint64_t address, void *ret, size_t size)
{
	struct glue *glue = context;
	uint64_t at = address & TAG_MASK;
	size_t done = 0;

	while (done < size) {
		uint64_t physical, left;
		if (!translate(glue, at + done, &physical, &left))
			return done;
		size_t part = size - done < left ? size - done : (size_t)left;
		memcpy((char *)ret + done, glue->arena + physical, part);
		done += part;
	}
	return done;
}

struct up_source glue_source(struct glue *glue)
{
	return (struct up_source){glue, NULL, glue_reg, vector, glue_read, set_reg, GLUE_DIRECT};
}
