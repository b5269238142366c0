/*
 * One A64 instruction, moved: what it does at its own address, done elsewhere.
 *
 * Encodings: Arm ARM DDI 0487, C4.1 (Data Processing -- Immediate: PC-rel;
 * Branches; Loads and Stores: load register literal).  An instruction that
 * does not depend on its address is copied.  What needs a scratch register
 * that is not its own destination is refused, and so is everything that
 * raises an exception on purpose.
 */
#include "relocate.h"

static int64_t sign_extend(uint64_t value, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	value &= (sign << 1) - 1;
	return (int64_t)((value ^ sign) - sign);
}

bool branch_word(uint64_t from, uint64_t to, uint32_t *ret)
{
	int64_t distance = (int64_t)(to - from);

	if (distance % 4 || distance < -(INT64_C(1) << 27) || distance >= INT64_C(1) << 27)
		return false;
	*ret = 0x14000000 | ((uint32_t)(distance >> 2) & 0x03ffffff);
	return true;
}

bool branch_target(uint32_t word, uint64_t address, uint64_t *ret)
{
	if ((word & 0xfc000000) != 0x14000000)
		return false;
	*ret = address + (uint64_t)(sign_extend(word, 26) * 4);
	return true;
}

/* MOVZ and MOVKs that load value into Xd; returns how many. */
static unsigned load_constant(unsigned d, uint64_t value, uint32_t *ret)
{
	unsigned count = 0;

	for (unsigned half = 0; half < 4; half++) {
		uint32_t bits = (uint32_t)(value >> 16 * half & 0xffff);
		if (!bits && (count || half < 3))
			continue;
		uint32_t base = count ? 0xf2800000 : 0xd2800000;
		ret[count++] = base | half << 21 | bits << 5 | d;
	}
	return count;
}

/* Appends a branch to target; the count, 0 if it is out of reach. */
static unsigned then_branch(uint64_t to, unsigned count, uint64_t target, uint32_t *ret)
{
	return branch_word(to + 4 * count, target, &ret[count]) ? count + 1 : 0;
}

static unsigned relocate_adr(uint32_t word, uint64_t from, uint64_t to, uint32_t *ret)
{
	uint64_t immediate = (word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3);
	uint64_t offset = (uint64_t)sign_extend(immediate, 21);
	uint64_t value = word >> 31 ? (from & ~UINT64_C(0xfff)) + (offset << 12) : from + offset;
	unsigned count = (word & 31) == 31 ? 0 : load_constant(word & 31, value, ret);

	return then_branch(to, count, from + 4, ret);
}

/* B.cond, CBZ, CBNZ, TBZ, TBNZ: over a branch back to a branch to the target. */
static unsigned relocate_conditional(uint32_t word, unsigned bits, uint64_t from, uint64_t to, uint32_t *ret)
{
	uint32_t field = ((UINT32_C(1) << bits) - 1) << 5;
	uint64_t target = from + (uint64_t)(sign_extend(word >> 5, bits) * 4);

	ret[0] = (word & ~field) | 2 << 5;
	return then_branch(to, 1, from + 4, ret) ? then_branch(to, 2, target, ret) : 0;
}

static unsigned relocate_call(uint32_t word, uint64_t from, uint64_t to, uint32_t *ret)
{
	uint64_t target = from + (uint64_t)(sign_extend(word, 26) * 4);
	unsigned count = load_constant(30, from + 4, ret);

	return then_branch(to, count, target, ret);
}

/* BR, BLR, RET; the ones with pointer authentication, ERET and DRPS are refused. */
static unsigned relocate_register_branch(uint32_t word, uint64_t from, uint32_t *ret)
{
	unsigned n = word >> 5 & 31;

	switch (word & 0xfffffc1f) {
	case 0xd61f0000:
	case 0xd65f0000:
		ret[0] = word;
		return 1;
	case 0xd63f0000:
		if (n == 30)
			return 0;
		unsigned count = load_constant(30, from + 4, ret);
		ret[count] = 0xd61f0000 | n << 5;
		return count + 1;
	default:
		return 0;
	}
}

static unsigned relocate_branch(uint32_t word, uint64_t from, uint64_t to, uint32_t *ret)
{
	uint64_t target;

	if (branch_target(word, from, &target))
		return then_branch(to, 0, target, ret);
	if ((word & 0xfc000000) == 0x94000000)
		return relocate_call(word, from, to, ret);
	if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000)
		return relocate_conditional(word, 19, from, to, ret);
	if ((word & 0x7e000000) == 0x36000000)
		return relocate_conditional(word, 14, from, to, ret);
	if ((word & 0xfe000000) == 0xd6000000)
		return relocate_register_branch(word, from, ret);
	return 0;
}

/* System instructions that may be copied: hints, barriers, moves to and from system registers; not DC ZVA. */
static bool is_plain_system(uint32_t word)
{
	if ((word & 0xffc00000) != 0xd5000000)
		return false;
	return (word & 0xffffffe0) != 0xd50b7420;
}

unsigned relocate(uint32_t word, uint64_t from, uint64_t to, uint32_t ret[TAIL_WORDS])
{
	if ((word & 0x1f000000) == 0x10000000)
		return relocate_adr(word, from, to, ret);
	if ((word & 0xff000000) == 0xd8000000)
		return then_branch(to, 0, from + 4, ret);	/* a prefetch is a hint and left out */
	if ((word & 0x3b000000) == 0x18000000)
		return 0;	/* the address would need the destination, which a fault must leave alone */
	if ((word & 0x1c000000) == 0x14000000 && !is_plain_system(word))
		return relocate_branch(word, from, to, ret);
	if ((word & 0x1e000000) == 0)
		return 0;	/* UDF and other reserved encodings */
	ret[0] = word;
	return then_branch(to, 1, from + 4, ret);
}
