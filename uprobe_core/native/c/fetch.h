/* Running fetch programs: numbers.  events/fetch_run.py is the reference. */
#ifndef UPROBE_FETCH_H
#define UPROBE_FETCH_H

#include "hit.h"
#include "program.h"
#include "source.h"

/* Runs the number argument index, once per hit. */
void up_fetch_number(struct up_hit *hit, unsigned index);
/* Runs all arguments that were not run yet, strings too. */
void up_fetch_all(struct up_hit *hit);

static inline uint64_t up_simple(const struct up_hit *hit, const struct up_arg *arg)
{
	uint64_t value = up_source_register(hit->source, arg->reg);

	return ((value & arg->mask) ^ arg->sign) - arg->sign;
}

static inline uint64_t up_number(struct up_hit *hit, unsigned index)
{
	if (hit->program->args[index].simple)
		return up_simple(hit, &hit->program->args[index]);
	if (!(hit->done[index / 64] >> index % 64 & 1))
		up_fetch_number(hit, index);
	return hit->cells[hit->program->args[index].cell];
}

/* All values of a simple program. */
static inline void up_fetch_plain(const struct up_source *source, const struct up_program *program, uint64_t *ret)
{
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_plain *plain = &program->plain[i];
		uint64_t value = up_source_register(source, (unsigned)plain->reg);
		ret[i] = ((value & plain->mask) ^ plain->sign) - plain->sign;
	}
}

#endif
