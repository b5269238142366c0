/*
 * Where the memory of the engine and the glue comes from; free takes it back.
 *
 * Built with UP_SCARCE_MEMORY, whoever builds brings these functions, so that
 * a test decides when memory is used up.
 */
#ifndef UPROBE_ALLOCATE_H
#define UPROBE_ALLOCATE_H

#include <stdlib.h>

#ifdef UP_SCARCE_MEMORY

void *up_allocate(size_t size);
void *up_allocate_zeroed(size_t count, size_t size);
void *up_reallocate(void *memory, size_t size);

#else

static inline void *up_allocate(size_t size)
{
	return malloc(size);
}

static inline void *up_allocate_zeroed(size_t count, size_t size)
{
	return calloc(count, size);
}

static inline void *up_reallocate(void *memory, size_t size)
{
	return realloc(memory, size);
}

#endif
#endif
