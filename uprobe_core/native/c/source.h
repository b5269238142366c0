/* Where values come from: the registers and the memory of a task. */
#ifndef UPROBE_SOURCE_H
#define UPROBE_SOURCE_H

#include "register_numbers.h"

/* How a task is read.  Filled in by whoever owns the registers and the memory. */
struct up_source {
	void *context;
	/* Where the registers numbered 0 to direct - 1 lie as consecutive uint64_t, or NULL: ask reg. */
	const uint64_t *registers;
	uint64_t (*reg)(void *context, unsigned index);
	/* Low 64 bits of vector register index. */
	uint64_t (*vector)(void *context, unsigned index);
	/* Copies at most size bytes from address; returns how many were readable from its start. */
	size_t (*read)(void *context, uint64_t address, void *ret, size_t size);
	/* Writes any of them. */
	void (*set_reg)(void *context, unsigned index, uint64_t value);
	unsigned direct;
};

struct up_hit;
struct up_arg;

/* Copies what an argument of hit may read of the size bytes from address; returns how many there were from its start. */
size_t up_read_user(const struct up_hit *hit, uint64_t address, void *ret, size_t size);

/* Register index of the task at hit; its PC is that of the hit. */
uint64_t up_register(const struct up_hit *hit, unsigned index);
/* The word, as wide as a register, at address; false: unreadable. */
bool up_read_word(const struct up_hit *hit, uint64_t address, uint64_t *ret);
/* The value after arg's load and its first derefs dereferences; false: unreadable. */
bool up_fetch_address(struct up_hit *hit, const struct up_arg *arg, unsigned derefs, uint64_t *ret);

/* Register index (not the PC) of the task behind source. */
static inline uint64_t up_source_register(const struct up_source *source, unsigned index)
{
	return source->registers && index < source->direct ? source->registers[index]
							   : source->reg(source->context, index);
}

static inline bool up_read_exactly(const struct up_source *source, uint64_t address, void *ret, size_t size)
{
	return source->read(source->context, address, ret, size) == size;
}

#endif
