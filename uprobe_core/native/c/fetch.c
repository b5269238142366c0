/*
 * Running fetch programs: numbers.  fetch_run.py is the reference.
 *
 * Semantics: process_fetch_insn in kernel/trace/trace_probe_tmpl.h (6.12).  An
 * unreadable number is 0; one whose first byte alone is readable is that byte.
 */
#include "engine.h"

#include <string.h>

uint64_t up_register(const struct up_hit *hit, unsigned index)
{
	const struct up_source *source = hit->source;

	if (index == UP_PC)
		return hit->pc;
	if (source->registers && index <= UP_SP)
		return source->registers[index];
	return source->reg(source->context, index);
}

static bool read_exactly(const struct up_source *source, uint64_t address, void *ret, size_t size)
{
	return source->read(source->context, address, ret, size) == size;
}

static bool read_u64(const struct up_source *source, uint64_t address, uint64_t *ret)
{
	return read_exactly(source, address, ret, sizeof(*ret));
}

/* What the first operation loads; tokens are strings' business. */
static uint64_t load_source(struct up_hit *hit, const struct up_op *op)
{
	uint64_t value = 0;

	switch (op->code) {
	case UP_REG:
		return up_register(hit, (unsigned)op->param);
	case UP_RETVAL:
		return up_register(hit, 0);
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

/* From stored bits to the value that the type shows, as a cell. */
static uint64_t convert(const struct up_arg *arg, uint64_t value)
{
	unsigned bits = 8u * arg->size;
	uint64_t mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;

	if (arg->has_field)
		return (value << arg->lshift & mask) >> arg->rshift;
	value &= mask;
	if (arg->kind == 's' && bits < 64) {
		uint64_t sign = UINT64_C(1) << (bits - 1);
		return (value ^ sign) - sign;
	}
	if (arg->kind == 'f' && arg->size == 4) {
		uint32_t low = (uint32_t)value;
		float narrow;
		memcpy(&narrow, &low, sizeof(narrow));
		double wide = narrow;
		memcpy(&value, &wide, sizeof(value));
	}
	return value;
}

static uint64_t load_number(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, bytes, size);
	return value;
}

/* All of it, or its first byte, or 0: how arm64's copy_from_user leaves it. */
static uint64_t read_number(const struct up_source *source, uint64_t address, unsigned size)
{
	uint8_t bytes[8];
	size_t got = source->read(source->context, address, bytes, size);

	if (got == size)
		return load_number(bytes, size);
	return got ? bytes[0] : 0;
}

static void fetch_array(struct up_hit *hit, const struct up_arg *arg, uint64_t address)
{
	uint8_t bytes[UP_MAX_ARRAY * 8];
	uint64_t *cells = hit->cells + arg->cell;
	unsigned size = arg->store_size;
	bool whole = read_exactly(hit->source, address, bytes, (size_t)size * arg->count);

	for (unsigned i = 0; i < arg->count; i++) {
		uint64_t value = whole ? load_number(bytes + i * size, size)
				       : read_number(hit->source, address + i * size, size);
		cells[i] = convert(arg, value);
	}
}

static void fetch_from_memory(struct up_hit *hit, const struct up_arg *arg)
{
	uint64_t address;
	uint64_t *cells = hit->cells + arg->cell;

	if (!up_fetch_address(hit, arg, arg->derefs, &address)) {
		for (unsigned i = 0; i < (arg->count ? arg->count : 1); i++)
			cells[i] = convert(arg, 0);
		return;
	}
	address += (uint64_t)arg->store_offset;
	if (arg->count)
		fetch_array(hit, arg, address);
	else
		cells[0] = convert(arg, read_number(hit->source, address, arg->store_size));
}

void up_fetch_number(struct up_hit *hit, unsigned index)
{
	const struct up_arg *arg = &hit->program->args[index];
	uint64_t value;

	if (arg->simple) {
		hit->cells[arg->cell] = up_simple(hit, arg);
		return;
	}
	hit->done[index / 64] |= UINT64_C(1) << index % 64;
	if (arg->from_memory) {
		fetch_from_memory(hit, arg);
		return;
	}
	if (!up_fetch_address(hit, arg, arg->derefs, &value))
		value = 0;
	hit->cells[arg->cell] = convert(arg, value);
}

void up_fetch_all(struct up_hit *hit)
{
	for (unsigned i = 0; i < hit->program->count; i++)
		if (hit->program->args[i].kind != 't' && !(hit->done[i / 64] >> i % 64 & 1))
			up_fetch_number(hit, i);
	if (hit->program->texts)
		up_fetch_texts(hit);
}
