/* Words that libunicorn 2.1.4 ends the process over: aborting_words.py says how they were found. */
#include "aborting.h"

#include <stdbool.h>
#include <string.h>

/* Bit U:a:opcode is set: three same (FP16), and the two forms of two-register miscellaneous (FP16). */
static const uint32_t three_same = 0x8A023820;
static const uint64_t two_misc_vector[2] = {0xD0FF0FFFC0FFFFFF, 0x51FF4FFFC0FFFFFF};
static const uint64_t two_misc_scalar[2] = {0x50FF8FFFC0FFFFFF, 0xD1FF4FFFC0FFFFFF};

static bool aborts(uint32_t word)
{
	if ((word & 0x8F7E0C00) == 0x0E780800) {
		unsigned combination = (word >> 23 & 0x40) | (word >> 18 & 0x20) | (word >> 12 & 0x1F);
		unsigned half = combination >> 6, bit = combination & 63;
		if (word >> 28 & 1)
			return (word >> 30 & 1) && (two_misc_scalar[half] >> bit & 1);
		return two_misc_vector[half] >> bit & 1;
	}
	if ((word & 0x9F60C400) == 0x0E400400)
		return three_same >> ((word >> 25 & 0x10) | (word >> 20 & 0x08) | (word >> 11 & 0x07)) & 1;
	return false;
}

size_t aborting_offset(const unsigned char *code, size_t from, size_t size)
{
	for (size_t at = from; at + 4 <= size; at += 4) {
		uint32_t word;
		if ((code[at + 3] & 0x8F) != 0x0E)	/* of all of them */
			continue;
		memcpy(&word, code + at, sizeof(word));
		if (aborts(word))
			return at;
	}
	return size;
}
