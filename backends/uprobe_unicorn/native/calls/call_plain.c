/* Calls about the process itself: who it is, what time it is, which signals it takes. */
#include "call_plain.h"

#include <string.h>

#include "emulator.h"

#define SECOND UINT64_C(1000000000)

bool call_getpid(struct call *call)
{
	call->result = (int64_t)call->calls->pid;
	return true;
}

bool call_gettid(struct call *call)
{
	call->result = (int64_t)call->calls->tid;
	return true;
}

/* --- clocks --------------------------------------------------------------------------------- */

enum { REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU, MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME,
       REALTIME_ALARM, BOOTTIME_ALARM, TAI = 11 };

/* A tick of CONFIG_HZ=250: uprobe_linux.syscalls.clocks.COARSE_NS. */
#define COARSE UINT64_C(4000000)

/* Clock number in ns; false: it is none of those that always exist. */
static bool read_clock(const struct call *call, int32_t number, uint64_t *ret)
{
	const struct calls *calls = call->calls;

	switch (number) {
	case MONOTONIC: case MONOTONIC_RAW: case MONOTONIC_COARSE: case BOOTTIME: case BOOTTIME_ALARM:
		*ret = call->now + calls->monotonic;
		break;
	case REALTIME: case REALTIME_COARSE: case REALTIME_ALARM: case TAI:
		*ret = call->now + calls->realtime;
		break;
	case PROCESS_CPU: case THREAD_CPU:
		*ret = call->now - calls->idle;
		break;
	default:
		return false;
	}
	if (number == REALTIME_COARSE || number == MONOTONIC_COARSE)
		*ret -= *ret % COARSE;
	return true;
}

bool call_clock_gettime(struct call *call)
{
	void *place = call_memory(call, call->args[1], 16, PERM_WRITE);
	uint64_t value;

	if (!place || !read_clock(call, (int32_t)call->args[0], &value))
		return false;
	memcpy(place, (uint64_t[]){value / SECOND, value % SECOND}, 16);
	call->result = 0;
	return true;
}

bool call_gettimeofday(struct call *call)
{
	void *place = call->args[1] ? NULL : call_memory(call, call->args[0], 16, PERM_WRITE);
	uint64_t value = call->now + call->calls->realtime;

	if (!place)
		return false;
	memcpy(place, (uint64_t[]){value / SECOND, value % SECOND / 1000}, 16);
	call->result = 0;
	return true;
}

/* --- the signal mask ---------------------------------------------------------------------------- */

enum { SIG_BLOCK_, SIG_UNBLOCK_, SIG_SETMASK_ };

/* KILL and STOP. */
#define UNBLOCKABLE (UINT64_C(1) << 8 | UINT64_C(1) << 18)

static bool changed_mask(int32_t how, uint64_t mask, uint64_t *blocked)
{
	switch (how) {
	case SIG_BLOCK_:
		*blocked |= mask;
		break;
	case SIG_UNBLOCK_:
		*blocked &= ~mask;
		break;
	case SIG_SETMASK_:
		*blocked = mask;
		break;
	default:
		return false;
	}
	*blocked &= ~UNBLOCKABLE;
	return true;
}

/* A signal that becomes deliverable is Python's to deliver. */
bool call_sigprocmask(struct call *call)
{
	struct calls *calls = call->calls;
	const uint64_t before = calls->blocked;
	uint64_t after = before, mask;
	const void *given = call->args[1] ? call_memory(call, call->args[1], 8, PERM_READ) : NULL;
	void *place = call->args[2] ? call_memory(call, call->args[2], 8, PERM_WRITE) : NULL;

	if (call->args[3] != 8 || (call->args[1] && !given) || (call->args[2] && !place))
		return false;
	if (given) {
		memcpy(&mask, given, 8);
		if (!changed_mask((int32_t)call->args[0], mask, &after) || calls->pending & ~after)
			return false;
	}
	if (place)
		memcpy(place, &before, 8);
	calls->blocked = after;
	call->result = 0;
	return true;
}
