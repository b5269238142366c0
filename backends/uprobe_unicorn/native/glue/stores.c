/* See stores.h. Encodings: Arm ARM DDI 0487, C4.1.94 (loads and stores). */
#include "stores.h"

#include <string.h>

#include "code_seen.h"
#include "emulator.h"
#include "samples.h"

enum { ZERO = 31, BTYPE = 3 << 10 };

struct store {
	unsigned registers[2], count, width, base;
	bool is_vector;
	int64_t offset, moves_by;	/* of the address from the base; of the base in the end */
};

static int64_t sign_extended(uint64_t value, unsigned bits)
{
	return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

/* The register that word adds to its base, extended and shifted. */
static int64_t index_of(struct glue *glue, uint32_t word, unsigned scale)
{
	unsigned number = word >> 16 & 31, option = word >> 13 & 7;
	uint64_t value = number == ZERO ? 0 : glue_reg(glue, number);

	if (option == 2)	/* UXTW */
		value &= UINT32_MAX;
	else if (option == 6)	/* SXTW */
		value = (uint64_t)sign_extended(value, 32);
	return (int64_t)(word >> 12 & 1 ? value << scale : value);
}

/* STR, STRB, STRH and STUR. */
static bool is_single(struct glue *glue, uint32_t word, struct store *ret)
{
	unsigned size = word >> 30, opc = word >> 22 & 3, mode = word >> 10 & 3, scale = opc ? 4 : size;

	if ((word >> 27 & 7) != 7 || word >> 25 & 1 || (opc && !(opc == 2 && ret->is_vector && !size)))
		return false;
	ret->count = 1;
	ret->width = 1u << scale;
	if (word >> 24 & 1) {
		ret->offset = (int64_t)(word >> 10 & 0xfff) << scale;
	} else if (word >> 21 & 1) {
		if (mode != 2 || !(word >> 14 & 1))
			return false;
		ret->offset = index_of(glue, word, scale);
	} else {
		int64_t offset = sign_extended(word >> 12 & 0x1ff, 9);
		ret->offset = mode == 1 ? 0 : offset;
		ret->moves_by = mode & 1 ? offset : 0;
		return mode != 2;
	}
	return true;
}

/* STP and STNP. */
static bool is_pair(uint32_t word, struct store *ret)
{
	unsigned opc = word >> 30, scale = ret->is_vector ? 2 + opc : 2 + (opc >> 1), mode = word >> 23 & 3;

	if ((word >> 27 & 7) != 5 || word >> 25 & 1 || word >> 22 & 1 || opc == 3 || (opc == 1 && !ret->is_vector))
		return false;
	int64_t offset = sign_extended(word >> 15 & 0x7f, 7) * (1 << scale);
	ret->count = 2;
	ret->width = 1u << scale;
	ret->offset = mode == 1 ? 0 : offset;
	ret->moves_by = mode & 1 ? offset : 0;
	return true;
}

static bool is_plain(struct glue *glue, uint32_t word, struct store *ret)
{
	*ret = (struct store){.registers = {word & 31, word >> 10 & 31}, .base = word >> 5 & 31, .is_vector = word >> 26 & 1};
	if (!is_single(glue, word, ret) && !is_pair(word, ret))
		return false;
	bool moves_itself = ret->base == ret->registers[0] || (ret->count == 2 && ret->base == ret->registers[1]);
	return !ret->moves_by || ret->is_vector || !moves_itself;
}

static void data_of(struct glue *glue, const struct store *store, unsigned char *ret)
{
	for (unsigned i = 0; i < store->count; i++) {
		uint64_t value[2] = {0, 0};
		if (store->is_vector)
			glue->uc.reg_read(glue->engine_handle, UC_REG_V0 + (int)store->registers[i], value);
		else if (store->registers[i] != ZERO)
			value[0] = glue_reg(glue, store->registers[i]);
		memcpy(ret + i * store->width, value, store->width);
	}
}

/* Whether data, stored to address where now is, changes what is watched. */
static bool changes(const struct glue *glue, uint64_t address, unsigned size, const char *now, const unsigned char *data)
{
	for (unsigned i = 0; i < glue->watched_count; i++) {
		uint64_t low = glue->watched[i][0], high = glue->watched[i][1];
		low = low > address ? low : address;
		high = high < address + size ? high : address + size;
		if (low < high && memcmp(now + (low - address), data + (low - address), high - low))
			return true;
	}
	return false;
}

static bool make(struct glue *glue, uint64_t pc)
{
	unsigned char data[32];
	struct store store;
	uint32_t word;

	if (glue_read(glue, pc, &word, sizeof(word)) != sizeof(word) || !is_plain(glue, word, &store) ||
	    glue_reg(glue, GLUE_PSTATE) & BTYPE)
		return false;
	uint64_t base = glue_reg(glue, store.base), address = (base + (uint64_t)store.offset) & TAG_MASK;
	unsigned size = store.count * store.width;
	const struct extent *extent = extents_find(&glue->kept, address);
	if ((base + (uint64_t)store.offset) >> 55 & 1 || (store.base == GLUE_SP && base & 15) || !extent ||
	    address + size > extent->end)
		return false;
	char *now = glue->arena + extent->physical + (address - extent->start);
	data_of(glue, &store, data);
	if (changes(glue, address, size, now, data))
		return false;
	samples_look(glue, pc);
	memcpy(now, data, size);
	if (store.moves_by)
		glue_set_reg(glue, store.base, base + (uint64_t)store.moves_by);
	glue_set_reg(glue, GLUE_PC, pc + 4);
	return true;
}

bool stores_keep(struct glue *glue, uint64_t page, uint64_t physical, const uint64_t (*ranges)[2], unsigned count)
{
	if (count > MOST_WATCHED)
		return false;
	memcpy(glue->watched, ranges, count * sizeof(*ranges));
	glue->watched_count = count;
	return extents_add(&glue->kept, (struct extent){page, page + GUEST_PAGE, physical, PERM_WRITE});
}

bool stores_go_on(struct glue *glue, int status, uint64_t *pc)
{
	if (!glue->kept.count || status != UC_ERR_EXCEPTION || glue->event != GLUE_NONE || glue->refused != PERM_WRITE ||
	    glue->stop)
		return false;
	uint64_t at = glue_reg(glue, GLUE_PC);
	if (!make(glue, at))
		return false;
	glue->refused = 0;
	work_settle(&glue->work, glue->work.seen + 1);
	if (glue->seen)
		code_seen_enter(glue, at, 4);
	*pc = at + 4;
	return true;
}
