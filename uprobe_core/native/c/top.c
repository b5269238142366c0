/* The largest of many numbers: see top.h. */
#include "top.h"

#include "allocate.h"

bool up_top_init(struct up_top *top, unsigned room)
{
	top->items = up_allocate(room * sizeof(*top->items));
	top->count = 0;
	top->room = top->items ? room : 0;
	return top->items != NULL;
}

void up_top_deinit(struct up_top *top)
{
	free(top->items);
	*top = (struct up_top){NULL, 0, 0};
}

static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t before = *a;

	*a = *b;
	*b = before;
}

static void sift_up(struct up_top *top, unsigned at)
{
	for (; at && top->items[(at - 1) / 2] > top->items[at]; at = (at - 1) / 2)
		swap(&top->items[(at - 1) / 2], &top->items[at]);
}

static void sift_down(struct up_top *top)
{
	for (unsigned at = 0, child = 1; child < top->count; at = child, child = 2 * at + 1) {
		child += child + 1 < top->count && top->items[child + 1] < top->items[child];
		if (top->items[at] <= top->items[child])
			return;
		swap(&top->items[at], &top->items[child]);
	}
}

bool up_top_takes(struct up_top *top, uint64_t value)
{
	if (top->count < top->room) {
		top->items[top->count] = value;
		sift_up(top, top->count++);
		return true;
	}
	if (!top->count || value <= top->items[0])
		return false;
	top->items[0] = value;
	sift_down(top);
	return true;
}
