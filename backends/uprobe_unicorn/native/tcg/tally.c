/* Code of ours that counts, a piece for each block. */
#define _GNU_SOURCE
#include "tally.h"

#if defined(__x86_64__) && defined(__linux__)

#include <string.h>
#include <sys/mman.h>

#include "shortcuts_state.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000	/* a hint, for kernels that do not know it */
#endif

enum { PIECE = 32, PAGE = 4096 };

#define TALLIES_BYTES (MOST_TALLIES * sizeof(struct tally))
#define WHOLE (TALLIES_BYTES + MOST_TALLIES * (size_t)PIECE)
#define REACH (UINT64_C(1) << 31)
#define CODE_BYTES (UINT64_C(1) << 30)	/* of translated code, at most */
#define STEP (UINT64_C(1) << 24)

static bool map_at(uintptr_t at)
{
	void *found = mmap((void *)at, WHOLE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (found == MAP_FAILED || (uintptr_t)found == at)
		return found != MAP_FAILED;
	munmap(found, WHOLE);	/* a kernel that takes it for a hint */
	return false;
}

void *tallies_reserve(const unsigned char *code)
{
	uintptr_t start = (uintptr_t)code & -(uintptr_t)PAGE;

	for (uintptr_t at = start - WHOLE - PAGE; at > start + CODE_BYTES - REACH; at -= STEP)
		if (map_at(at))
			return (void *)at;
	for (uintptr_t at = start + CODE_BYTES; at + WHOLE < start + REACH; at += STEP)
		if (map_at(at))
			return (void *)at;
	return NULL;
}

void tallies_release(void *tallies)
{
	munmap(tallies, WHOLE);
}

/* Where the next piece goes.  Once all translations were flushed, none is in use. */
static unsigned char *new_piece(struct shortcuts *shortcuts)
{
	uint32_t flushes = AT(const uint32_t, shortcuts->context, shortcuts->layout->context_flushes);

	if (shortcuts->piece_flushes != flushes)
		shortcuts->piece_count = 0;
	shortcuts->piece_flushes = flushes;
	if (shortcuts->piece_count == MOST_TALLIES)
		return NULL;
	return (unsigned char *)shortcuts->keeper->tallies + TALLIES_BYTES + (size_t)PIECE * shortcuts->piece_count++;
}

/* The distance from behind the four bytes at code. */
static void put_distance(unsigned char *code, const void *target)
{
	int32_t distance = (int32_t)((const unsigned char *)target - (code + 4));

	memcpy(code, &distance, sizeof(distance));
}

unsigned char *write_tally(struct shortcuts *shortcuts, struct tally *tally, unsigned count, uint16_t end,
			   const unsigned char *back)
{
	const struct layout *layout = shortcuts->layout;
	unsigned char *piece = new_piece(shortcuts);
	unsigned char code[PIECE] = {
		0x48, 0xff, 0x05, 0, 0, 0, 0,						/* incq times(%rip) */
		0xc7, 0x45, (unsigned char)(layout->env_left + 4), 0, 0, 0, 0,		/* movl $number, left + 4(%rbp) */
		0x66, 0xc7, 0x45, (unsigned char)layout->env_end,
		(unsigned char)end, (unsigned char)(end >> 8),				/* movw $end, end(%rbp) */
		0x81, 0x6d, (unsigned char)layout->env_left, 0, 0, 0, 0,		/* subl $count, left(%rbp) */
		0xe9,									/* jmp back */
	};

	if (!piece)
		return NULL;
	memcpy(code + 10, &tally->number, sizeof(tally->number));
	memcpy(code + 23, &count, sizeof(count));
	memcpy(piece, code, sizeof(code));
	put_distance(piece + 3, &tally->times);
	put_distance(piece + 28, back);
	return piece;
}

#endif
