/* Calls that may have to wait, where they do not: futexes and what is ready (uprobe_linux.syscalls.futexes, .epoll, .poll). */
#define _GNU_SOURCE
#include "call_waits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "emulator.h"

/* --- futexes: include/uapi/linux/futex.h ------------------------------------------------------ */

enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10, FUTEX_OPTIONS = 128 | 256 };

static bool somebody_waits(const struct threads *threads, uint64_t address)
{
	if (threads->waiter_count > THREADS_MOST)
		return true;
	for (unsigned i = 0; i < threads->waiter_count; i++)
		if (threads->waiters[i].address == address)
			return true;
	return false;
}

/* The call of a thread that has waited answers 0. */
static void on_woken(void *context, struct thread *thread)
{
	struct glue *glue = context;

	glue->uc.context_reg_write(thread->context, UC_REG_X0, &(uint64_t){0});
}

static bool wake(struct call *call, uint32_t bitset)
{
	struct calls *calls = call->calls;
	struct threads *threads = &calls->threads;
	uint64_t address = call->args[0] & TAG_MASK;
	int32_t count = (int32_t)call->args[2];

	call->result = 0;
	if (!somebody_waits(threads, address))
		return true;
	if (!threads->on || threads_is_due(threads, calls->monotonic + call->now))
		return false;
	call->result = threads_wake(threads, address, count > 1 ? count : 1, bitset, on_woken, call->glue);
	calls->look_at = threads_look_at(threads);
	return call->result >= 0;
}

/* The word has changed, and there is nothing to wait for; or another thread runs meanwhile. */
static bool wait(struct call *call, uint32_t bitset)
{
	const void *place = call->args[3] ? NULL : call_memory(call, call->args[0], 4, PERM_READ);
	struct calls *calls = call->calls;
	uint32_t word;

	if (!place)
		return false;
	memcpy(&word, place, 4);
	call->result = -EAGAIN;
	if (word != (uint32_t)call->args[2])
		return true;
	if (!calls->threads.on || !threads_wait(&calls->threads, call->args[0] & TAG_MASK, bitset, call->args))
		return false;
	call->result = (int64_t)call->args[0];	/* until it is woken */
	calls->look_at = 0;
	return true;
}

bool call_futex(struct call *call)
{
	uint32_t command = (uint32_t)call->args[1] & ~(uint32_t)FUTEX_OPTIONS;
	bool has_mask = command == FUTEX_WAIT_BITSET || command == FUTEX_WAKE_BITSET;

	if (call->args[0] & 3 || call->calls->memory_shared || (has_mask && !(uint32_t)call->args[5]))
		return false;
	uint32_t bitset = has_mask ? (uint32_t)call->args[5] : UINT32_MAX;
	if (command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET)
		return wake(call, bitset);
	return (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) && wait(call, bitset);
}

/* --- yielding --------------------------------------------------------------------------------------- */

bool call_yield(struct call *call)
{
	struct calls *calls = call->calls;

	if (!calls->threads.on || threads_is_due(&calls->threads, calls->monotonic + call->now))
		return false;
	calls->threads.slice_end = 0;
	calls->threads.moved++;
	if (calls->threads.ready_count > 1)
		calls->look_at = 0;
	call->result = 0;
	return true;
}

/* --- what is ready --------------------------------------------------------------------------------- */

enum { MOST_EVENTS = 64, MOST_POLLED = 64 };

/* struct epoll_event as arm64 has it: events, four bytes of nothing, data. */
static void pack_events(const struct epoll_event *events, int count, char *ret)
{
	for (int i = 0; i < count; i++) {
		uint32_t head[2] = {events[i].events, 0};
		memcpy(ret + 16 * i, head, 8);
		memcpy(ret + 16 * i + 8, &events[i].data, 8);
	}
}

/* Nothing ready is an answer only to who does not want to wait. */
bool call_epoll_wait(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_EPOLL);
	const struct calls *calls = call->calls;
	int32_t count = (int32_t)call->args[2], timeout = (int32_t)call->args[3];
	struct epoll_event events[MOST_EVENTS];

	if (!file || !calls->alone || calls->signal_files || call->args[4] || count <= 0 || count > MOST_EVENTS)
		return false;
	char *place = call_memory(call, call->args[1], 16 * (uint64_t)count, PERM_WRITE);
	if (!place)
		return false;
	int found = epoll_wait(file->host, events, count, 0);
	if (found < 0 || (!found && timeout))
		return false;
	pack_events(events, found, place);
	call->result = found;
	return true;
}

/* The wanted descriptors as the host knows them; false: one is not plain. */
static bool host_polls(const struct call *call, const void *given, uint32_t count, struct pollfd *ret)
{
	memcpy(ret, given, count * sizeof(*ret));
	for (uint32_t i = 0; i < count; i++) {
		ret[i].revents = 0;
		if (ret[i].fd < 0)
			continue;
		const struct call_file *file = call_file(call, (uint64_t)ret[i].fd, CALL_POLL);
		if (!file)
			return false;
		ret[i].fd = file->host;
	}
	return true;
}

/* Whether the time-out is valid; *ret: it is none at all.  No time passes, so all of it is left and stays stored. */
static bool asks_only(const struct call *call, uint64_t address, bool *ret)
{
	uint64_t words[2];
	const void *place = call_memory(call, address, sizeof(words), PERM_WRITE);

	if (!place)
		return false;
	memcpy(words, place, sizeof(words));
	*ret = !words[0] && !words[1];
	return (int64_t)words[0] >= 0 && words[1] < 1000000000;
}

bool call_poll(struct call *call)
{
	struct pollfd polls[MOST_POLLED];
	uint32_t count = (uint32_t)call->args[1];
	bool only_asks = false;

	if (!call->calls->alone || call->calls->signal_files || call->args[3] || !count || count > MOST_POLLED)
		return false;
	if (call->args[2] && !asks_only(call, call->args[2], &only_asks))
		return false;
	char *place = call_memory(call, call->args[0], 8 * (uint64_t)count, PERM_WRITE);
	if (!place || !host_polls(call, place, count, polls))
		return false;
	int found = poll(polls, count, 0);
	if (found < 0 || (!found && !only_asks))
		return false;
	for (uint32_t i = 0; i < count; i++)
		memcpy(place + 8 * i + 6, &polls[i].revents, 2);
	call->result = found;
	return true;
}
