/* What a fetch program starts from: registers, and what addresses in memory lead to. */
#include "source.h"

#include "fetch.h"

uint64_t up_register(const struct up_hit *hit, unsigned index)
{
	const struct up_source *source = hit->source;

	if (index == UP_PC)
		return hit->pc;
	if (source->registers && index <= UP_SP)
		return source->registers[index];
	return source->reg(source->context, index);
}

static bool read_u64(const struct up_source *source, uint64_t address, uint64_t *ret)
{
	return up_read_exactly(source, address, ret, sizeof(*ret));
}

/* What the first operation loads; tokens are strings' business. */
static uint64_t load_source(struct up_hit *hit, const struct up_op *op)
{
	uint64_t value = 0;

	switch (op->code) {
	case UP_REG:
		return up_register(hit, (unsigned)op->param);
	case UP_RETVAL:
		return up_register(hit, UP_RETURN_VALUE);
	case UP_STACKP:
		return up_register(hit, UP_SP);
	case UP_STACK:
		return read_u64(hit->source, up_register(hit, UP_SP) + 8 * (uint64_t)op->param, &value) ? value : 0;
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
	default:
		return 0;
	}
}

/* The value after the load and the first derefs dereferences; false: unreadable. */
bool up_fetch_address(struct up_hit *hit, const struct up_arg *arg, unsigned derefs, uint64_t *ret)
{
	uint64_t value = load_source(hit, &arg->source);

	for (unsigned i = 0; i < derefs; i++)
		if (!read_u64(hit->source, value + (uint64_t)arg->offsets[i], &value))
			return false;
	*ret = value;
	return true;
}
