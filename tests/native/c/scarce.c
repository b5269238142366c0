#include "scarce.h"

#include "allocate.h"

static int left = -1;
static unsigned asked;

void scarce_after(int number)
{
	left = number;
	asked = 0;
}

unsigned scarce_asked(void)
{
	return asked;
}

static bool is_there(void)
{
	asked++;
	if (left < 0)
		return true;
	if (left == 0)
		return false;
	left--;
	return true;
}

void *up_allocate(size_t size)
{
	return is_there() ? malloc(size) : NULL;
}

void *up_allocate_zeroed(size_t count, size_t size)
{
	return is_there() ? calloc(count, size) : NULL;
}

void *up_reallocate(void *memory, size_t size)
{
	return is_there() ? realloc(memory, size) : NULL;
}
