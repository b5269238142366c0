/*
 * Running fetch programs: numbers.  events/fetch_run.py is the reference.
 *
 * Semantics: process_fetch_insn in kernel/trace/trace_probe_tmpl.h (6.12).  An
 * unreadable number is 0, and says so if it tells; one whose first byte alone is readable is that byte.
 */
#include "fetch.h"

#include <string.h>

#include "texts.h"

static uint64_t sign_extend(uint64_t value, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	return (value ^ sign) - sign;
}

/* Right by count with the sign, for which C has no operator that is defined. */
static uint64_t shift_signed(uint64_t value, unsigned count)
{
	return value >> 63 ? ~(~value >> count) : value >> count;
}

/* From stored bits to the value that the type shows, as a cell. */
static uint64_t convert(const struct up_arg *arg, uint64_t value)
{
	unsigned bits = 8u * arg->size;
	uint64_t mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;

	if (arg->has_field) {
		value = value << arg->lshift & mask;
		if (arg->kind != 's')
			return value >> arg->rshift;
		return shift_signed(sign_extend(value, bits), arg->rshift);
	}
	value &= mask;
	if (arg->kind == 's')
		return sign_extend(value, bits);
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

/* All of it, or its first byte, or 0: how arm64's copy_from_user leaves it.  fault becomes true if it is not all. */
static uint64_t read_number(const struct up_hit *hit, uint64_t address, unsigned size, bool *fault)
{
	uint8_t bytes[8];
	size_t got = up_read_user(hit, address, bytes, size);

	if (got == size)
		return load_number(bytes, size);
	*fault = true;
	return got ? bytes[0] : 0;
}

static void fetch_array(struct up_hit *hit, const struct up_arg *arg, uint64_t address, bool *fault)
{
	uint8_t bytes[UP_MAX_ARRAY * 8];
	uint64_t *cells = hit->cells + arg->cell;
	unsigned size = arg->store_size;
	bool whole = up_read_user(hit, address, bytes, (size_t)size * arg->count) == (size_t)size * arg->count;

	for (unsigned i = 0; i < arg->count; i++) {
		uint64_t value = whole ? load_number(bytes + i * size, size)
				       : read_number(hit, (address + i * size) & hit->registers->mask, size, fault);
		cells[i] = convert(arg, value);
	}
}

static void fetch_from_memory(struct up_hit *hit, const struct up_arg *arg, bool *fault)
{
	uint64_t address;
	uint64_t *cells = hit->cells + arg->cell;

	if (!up_fetch_address(hit, arg, arg->derefs, &address)) {
		for (unsigned i = 0; i < (arg->count ? arg->count : 1); i++)
			cells[i] = convert(arg, 0);
		*fault = true;
		return;
	}
	address = (address + (uint64_t)arg->store_offset) & hit->registers->mask;
	if (arg->count)
		fetch_array(hit, arg, address, fault);
	else
		cells[0] = convert(arg, read_number(hit, address, arg->store_size, fault));
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
	bool fault = false;
	if (arg->from_memory) {
		fetch_from_memory(hit, arg, &fault);
	} else {
		fault = !up_fetch_address(hit, arg, arg->derefs, &value);
		hit->cells[arg->cell] = convert(arg, fault ? 0 : value + (uint64_t)arg->store_offset);
	}
	if (arg->tells)
		hit->cells[arg->cell + (arg->count ? arg->count : 1)] = fault;
}

void up_fetch_all(struct up_hit *hit)
{
	for (unsigned i = 0; i < hit->program->count; i++)
		if (hit->program->args[i].kind != 't' && !(hit->done[i / 64] >> i % 64 & 1))
			up_fetch_number(hit, i);
	if (hit->program->texts)
		up_fetch_texts(hit);
}
