/* Whose turn it is among the threads of a process. */
#include "threads.h"

#include <string.h>

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t chance(uint64_t *state)
{
	uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

uint64_t threads_look_at(const struct threads *threads)
{
	uint64_t event = threads->next_event ? threads->next_event : UINT64_MAX;

	return threads->ready_count > 1 && threads->slice_end < event ? threads->slice_end : event;
}

bool threads_is_due(const struct threads *threads, uint64_t now)
{
	return threads->next_event && now >= threads->next_event;
}

static void remove_ready(struct threads *threads, unsigned place)
{
	unsigned *from = &threads->ready[place];

	threads->ready_count--;
	memmove(from, from + 1, (threads->ready_count - place) * sizeof(*from));
}

bool threads_wait(struct threads *threads, uint64_t address, uint32_t bitset, const uint64_t *args)
{
	struct thread *thread = &threads->items[threads->current];

	if (threads->ready_count < 2 || threads->waiter_count >= THREADS_MOST)
		return false;
	remove_ready(threads, 0);
	threads->waiters[threads->waiter_count++] = (struct futex_waiter){address, bitset, (int)threads->current};
	memcpy(thread->args, args, sizeof(thread->args));
	thread->waits = thread->began = true;
	threads->moved++;
	return true;
}

static bool is_met(const struct futex_waiter *waiter, uint64_t address, uint32_t bitset)
{
	return waiter->address == address && waiter->bitset & bitset;
}

/* Whether the first count of those are threads that need not be looked at. */
static bool can_wake(const struct threads *threads, uint64_t address, int count, uint32_t bitset)
{
	if (threads->waiter_count > THREADS_MOST)
		return false;
	for (unsigned i = 0; i < threads->waiter_count && count; i++) {
		if (!is_met(&threads->waiters[i], address, bitset))
			continue;
		if (threads->waiters[i].thread == THREAD_NONE)
			return false;
		count--;
	}
	return true;
}

int threads_wake(struct threads *threads, uint64_t address, int count, uint32_t bitset,
		 void (*woken)(void *context, struct thread *thread), void *context)
{
	unsigned kept = 0, before = threads->waiter_count;
	int found = 0;

	if (!can_wake(threads, address, count, bitset))
		return -1;
	for (unsigned i = 0; i < before; i++) {
		const struct futex_waiter waiter = threads->waiters[i];
		if (found == count || !is_met(&waiter, address, bitset)) {
			threads->waiters[kept++] = waiter;
			continue;
		}
		struct thread *thread = &threads->items[waiter.thread];
		thread->waits = thread->began = false;
		threads->ready[threads->ready_count++] = (unsigned)waiter.thread;
		woken(context, thread);
		found++;
	}
	threads->waiter_count = kept;
	threads->moved += found > 0;
	return found;
}

/* From SHORTEST_SLICE << k to twice that, k from 0 to 7: as often each. */
static uint64_t slice_length(struct threads *threads)
{
	uint64_t drawn = chance(&threads->chance);
	uint64_t shortest = (uint64_t)SHORTEST_SLICE << (drawn >> 61);

	return shortest + (shortest * (drawn & UINT32_MAX) >> 32);
}

int threads_turn(struct threads *threads, uint64_t now)
{
	bool is_over = now > threads->slice_end && threads->ready_count > 1;
	bool goes = is_over && !threads->items[threads->current].waits;
	unsigned next = threads->ready[goes];

	if (threads_is_due(threads, now) || !threads->items[next].plain)
		return THREAD_NONE;
	if (goes) {
		remove_ready(threads, 0);
		threads->ready[threads->ready_count++] = threads->current;
	}
	if (threads->ready_count > 1 && (is_over || next != threads->current))
		threads->slice_end = now + slice_length(threads);
	threads->moved++;
	return (int)next;
}
