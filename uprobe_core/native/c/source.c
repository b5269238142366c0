/* What a fetch program starts from: registers, and what addresses in memory lead to. */
#include "source.h"

#include "calls.h"
#include "fetch.h"

uint64_t up_register(const struct up_hit *hit, unsigned index)
{
	return index == hit->registers->pc ? hit->pc : up_source_register(hit->source, index);
}

size_t up_read_user(const struct up_hit *hit, uint64_t address, void *ret, size_t size)
{
	uint64_t end = hit->registers->end;

	return end && address + size > end ? 0 : hit->source->read(hit->source->context, address, ret, size);
}

bool up_read_word(const struct up_hit *hit, uint64_t address, uint64_t *ret)
{
	const struct up_registers *registers = hit->registers;

	*ret = 0;
	return up_read_user(hit, address & registers->mask, ret, registers->width) == registers->width;
}

/* What the first operation loads; tokens are strings' business. */
static uint64_t load_source(struct up_hit *hit, const struct up_op *op)
{
	const struct up_registers *registers = hit->registers;
	uint64_t value = 0;

	switch (op->code) {
	case UP_REG:
		return up_register(hit, (unsigned)op->param);
	case UP_RETVAL:
		return up_register(hit, registers->result);
	case UP_STACKP:
		return up_register(hit, registers->sp);
	case UP_STACK:
		value = up_register(hit, registers->sp) + registers->width * (uint64_t)op->param;
		return up_read_word(hit, value, &value) ? value : 0;
	case UP_IMM:
		return (uint64_t)op->param;
	case UP_FOFFS:
		return hit->address - hit->file_offset + (uint64_t)op->param;
	case UP_VREG:
		value = hit->source->vector(hit->source->context, (unsigned)op->param);
		return op->size < 8 ? value & ((UINT64_C(1) << 8 * op->size) - 1) : value;
	case UP_ENTRY:
		return hit->entry ? hit->entry[op->param] : 0;
	case UP_LATENCY:
		return hit->latency;
	case UP_INSNS:
		return hit->insns;
	case UP_JUMPS:
		return hit->task ? hit->task->jumps : 0;
	default:
		return 0;
	}
}

/* The value after the load and the first derefs dereferences; false: unreadable. */
bool up_fetch_address(struct up_hit *hit, const struct up_arg *arg, unsigned derefs, uint64_t *ret)
{
	uint64_t value = load_source(hit, &arg->source);

	for (unsigned i = 0; i < derefs; i++)
		if (!up_read_word(hit, value + (uint64_t)arg->offsets[i], &value))
			return false;
	*ret = value;
	return true;
}
