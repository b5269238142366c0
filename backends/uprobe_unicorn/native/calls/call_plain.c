/* Calls about the process itself: who it is, what time it is, which signals it takes, what its C library registers. */
#include "call_plain.h"

#include <errno.h>
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

bool call_set_tid_address(struct call *call)
{
	if (!call->calls->single)
		return false;
	call->calls->clear_child_tid = call->args[0];
	call->result = (int64_t)call->calls->tid;
	return true;
}

enum { ROBUST_BYTES = 24 };

bool call_set_robust_list(struct call *call)
{
	if (!call->calls->single)
		return false;
	if (call->args[1] != ROBUST_BYTES)
		return call_refuse(call, EINVAL);
	call->calls->robust_list = call->args[0];
	call->result = 0;
	return true;
}

bool call_rseq(struct call *call)
{
	return call_refuse(call, ENOSYS);
}

/* One's own limits, which are not changed here. */
bool call_prlimit(struct call *call)
{
	const struct calls *calls = call->calls;
	uint64_t pid = (uint32_t)call->args[0];
	uint32_t number = (uint32_t)call->args[1];

	if (!calls->limits || call->args[2] || (pid && pid != calls->pid && pid != calls->tid))
		return false;
	if (number >= CALL_LIMITS)
		return call_refuse(call, EINVAL);
	void *place = call->args[3] ? call_memory(call, call->args[3], 16, PERM_WRITE) : NULL;
	if (place)
		memcpy(place, calls->limits + 2 * number, 16);
	call->result = 0;
	return place || !call->args[3];
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

/* --- signals ------------------------------------------------------------------------------------ */

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

/* struct sigaction of include/uapi/asm-generic/signal.h: handler, flags, restorer, mask. */
enum { HANDLER = 0, MASK = 3, WORDS = CALL_ACTION_WORDS / CALL_SIGNALS, FIRST_ADDRESS = 2 };

/* Whether signal number, which is pending, is forgotten with its new handler; what other threads have is Python's to know. */
static bool may_forget(const struct calls *calls, int32_t number, uint64_t handler)
{
	return handler < FIRST_ADDRESS && (!calls->single || calls->pending >> (number - 1) & 1);
}

bool call_sigaction(struct call *call)
{
	const struct calls *calls = call->calls;
	int32_t number = (int32_t)call->args[0];
	const void *given = call->args[1] ? call_memory(call, call->args[1], 8 * WORDS, PERM_READ) : NULL;
	void *place = call->args[2] ? call_memory(call, call->args[2], 8 * WORDS, PERM_WRITE) : NULL;
	uint64_t wanted[WORDS];

	if (!calls->actions || call->args[3] != 8 || (call->args[1] && !given) || (call->args[2] && !place))
		return false;
	if (number < 1 || number > CALL_SIGNALS || (given && UNBLOCKABLE >> (number - 1) & 1))
		return call_refuse(call, EINVAL);
	uint64_t *action = calls->actions + WORDS * (number - 1);
	if (given) {
		memcpy(wanted, given, sizeof(wanted));
		wanted[MASK] &= ~UNBLOCKABLE;
		if (may_forget(calls, number, wanted[HANDLER]))
			return false;
	}
	if (place)
		memcpy(place, action, sizeof(wanted));
	if (given)
		memcpy(action, wanted, sizeof(wanted));
	call->result = 0;
	return true;
}
