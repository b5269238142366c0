/* What is looked for in a new block, and what is put there. */
#include "rewrite.h"

#include <string.h>

#include "stubs.h"

#if defined(__x86_64__) && defined(__linux__)

enum { MOST_CHECK = 18, FEW_BYTES = 17, JUMP_BYTES = 10, FEW = 127, MOST_PROLOGUE = 256 };

/* Whether the four bytes at code are the distance from behind them to target. */
static bool leads_to(const unsigned char *code, const void *target)
{
	int32_t distance;

	memcpy(&distance, code, sizeof(distance));
	return code + sizeof(distance) + distance == (const unsigned char *)target;
}

static bool write_distance(unsigned char *code, const void *target)
{
	intptr_t distance = (const unsigned char *)target - (code + 4);
	int32_t narrow = (int32_t)distance;

	if (narrow != distance)
		return false;
	memcpy(code, &narrow, sizeof(narrow));
	return true;
}

/* Bytes of the call of the check at code, whose address may be in the pool behind the block; 0: it is none. */
static unsigned call_size(const struct shortcuts *shortcuts, const unsigned char *code)
{
	int32_t distance;
	const void *target;

	if (code[0] == 0xe8 && leads_to(code + 1, shortcuts->check))
		return 5;
	if (code[0] != 0xff || code[1] != 0x15)
		return 0;
	memcpy(&distance, code + 2, sizeof(distance));
	memcpy(&target, code + 6 + distance, sizeof(target));
	return target == shortcuts->check ? 6 : 0;
}

/*
 * Bytes of a check: movabs $uc, %rdi, lea where the engine is near, or mov $uc, %edi where its address is
 * short; xor %esi, %esi; call check.  0: there is none at code.
 */
static unsigned check_size(const struct shortcuts *shortcuts, const unsigned char *code)
{
	static const unsigned char far[2] = {0x48, 0xbf}, near[3] = {0x48, 0x8d, 0x3d}, zero[2] = {0x33, 0xf6};
	uint64_t engine = (uint64_t)(uintptr_t)shortcuts->engine;
	unsigned start = 0;

	if (!memcmp(code, far, 2) && !memcmp(code + 2, &shortcuts->engine, 8))
		start = 10;
	else if (!memcmp(code, near, 3) && leads_to(code + 3, shortcuts->engine))
		start = 7;
	else if (code[0] == 0xbf && engine >> 32 == 0 && !memcmp(code + 1, &engine, 4))
		start = 5;
	if (!start || memcmp(code + start, zero, 2))
		return 0;
	unsigned call = call_size(shortcuts, code + start + 2);
	return call ? start + 2 + call : 0;
}

/* Puts instructions that end in a call of the stub at offset in place of a check, which is no shorter. */
static bool replace_check(const struct shortcuts *shortcuts, unsigned char *code, unsigned room,
			  const unsigned char *fresh, unsigned size, unsigned stub)
{
	static const unsigned char nops[][6] = {	/* by size */
		{0}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}, {0x0f, 0x1f, 0x40, 0}, {0x0f, 0x1f, 0x44, 0, 0},
		{0x66, 0x0f, 0x1f, 0x44, 0, 0},
	};
	unsigned char before[MOST_CHECK];

	memcpy(before, code, room);
	memcpy(code, fresh, size);
	if (!write_distance(code + size - 4, shortcuts->stubs + stub)) {
		memcpy(code, before, room);
		return false;
	}
	while (size < room) {
		unsigned part = room - size < 6 ? room - size : 6;
		memcpy(code + size, nops[part], part);
		size += part;
	}
	return true;
}

/* cmpl $0, left(%rbp); jns over; call check; over: for a block that is none of the program's. */
static bool count_nothing(const struct shortcuts *shortcuts, unsigned char *code, unsigned room)
{
	const unsigned char fresh[11] = {0x83, 0x7d, (unsigned char)shortcuts->layout->env_left, 0, 0x79, 5, 0xe8};

	return replace_check(shortcuts, code, room, fresh, sizeof(fresh), CHECK_STUB);
}

/* subl $count, left(%rbp); movw $end, end(%rbp); jns over; call ask; over: */
static bool count_few(const struct shortcuts *shortcuts, unsigned char *code, unsigned room, unsigned count, uint16_t end)
{
	const unsigned char fresh[FEW_BYTES] = {
		0x83, 0x6d, (unsigned char)shortcuts->layout->env_left, (unsigned char)count,
		0x66, 0xc7, 0x45, (unsigned char)shortcuts->layout->env_end, (unsigned char)end, (unsigned char)(end >> 8),
		0x79, 5, 0xe8,
	};

	return replace_check(shortcuts, code, room, fresh, sizeof(fresh), ASK_STUB);
}

/* movl $count | end << 16, left + 4(%rbp); call many */
static bool count_many(const struct shortcuts *shortcuts, unsigned char *code, unsigned room, unsigned count, uint16_t end)
{
	const unsigned char fresh[12] = {
		0xc7, 0x45, (unsigned char)(shortcuts->layout->env_left + 4),
		(unsigned char)count, (unsigned char)(count >> 8), (unsigned char)end, (unsigned char)(end >> 8), 0xe8,
	};

	return replace_check(shortcuts, code, room, fresh, sizeof(fresh), MANY_STUB);
}

/* jmp piece; jns over; call ask; over: for a block that also counts how often it is entered. */
static bool count_entries(struct shortcuts *shortcuts, unsigned char *code, unsigned room, uint64_t pc, unsigned count,
			  uint16_t end)
{
	struct tally_keeper *keeper = shortcuts->keeper;
	struct tally *tally = keeper->of_block(keeper->context, pc, 4 * count);
	unsigned char fresh[12] = {0xe9, 0, 0, 0, 0, 0x79, 5, 0xe8};
	unsigned char *piece = tally ? write_tally(shortcuts, tally, count, end, code + 5) : NULL;

	if (!piece) {
		keeper->full = true;
		return false;
	}
	int32_t distance = (int32_t)(piece - (code + 5));
	memcpy(fresh + 1, &distance, sizeof(distance));
	return replace_check(shortcuts, code, room, fresh, sizeof(fresh), ASK_STUB);
}

/* The check comes first in a block, behind the call of a block hook if there is one. */
bool count_block(struct shortcuts *shortcuts, unsigned char *code, size_t size, uint64_t pc, unsigned count)
{
	const unsigned char *limit = code + (size < MOST_PROLOGUE ? size : MOST_PROLOGUE);
	uint16_t end = (uint16_t)((pc >> 2) + count);
	unsigned room = 0;

	while (limit - code >= MOST_CHECK && !(room = check_size(shortcuts, code)))
		code++;
	if (!room)
		return false;
	if (shortcuts->work->is_free(shortcuts->work->context, pc))
		return count_nothing(shortcuts, code, room);
	if (shortcuts->keeper && count && count_entries(shortcuts, code, room, pc, count, end))
		return true;
	return count <= FEW && room >= FEW_BYTES ? count_few(shortcuts, code, room, count, end) :
						   count_many(shortcuts, code, room, count, end);
}

/* mov %rbp, %rdi; call look-up; jmp *%rax: the last instructions of a block may be more than once in it. */
void shorten_jumps(const struct shortcuts *shortcuts, unsigned char *code, size_t size)
{
	static const unsigned char start[4] = {0x48, 0x8b, 0xfd, 0xe8}, end[2] = {0xff, 0xe0};
	unsigned char *limit = code + size;

	for (unsigned char *at = code; limit - at >= JUMP_BYTES; at++) {
		at = memchr(at, end[0], (size_t)(limit - at) - 1);
		if (!at)
			return;
		if (at - code < 8 || at[1] != end[1] || memcmp(at - 8, start, 4))
			continue;
		if (leads_to(at - 4, shortcuts->look_up))
			write_distance(at - 4, shortcuts->stubs + LOOK_UP_STUB);
	}
}

#endif
