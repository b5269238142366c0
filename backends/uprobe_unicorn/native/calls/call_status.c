/* Metadata and listings of the host's files (uprobe_linux.syscalls.status, .dirs). */
#define _GNU_SOURCE
#include "call_status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "emulator.h"

enum { SMALLEST_ENTRY = 24, MOST_LISTING = 1 << 20, IN_PIECES = 1 << 16 };

#define SECOND INT64_C(1000000000)

/* Index of the first of the sorted times that is no less than stamp; the last is. */
static uint64_t first_from(const int64_t *times, uint64_t count, int64_t stamp)
{
	uint64_t low = 0, high = count;

	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (times[middle] < stamp)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * From now on the host's stamp, which is behind all cuts, is worth the time of this call; false: a program chose it.
 * It is our turn, so nobody else does this meanwhile, but may read: the count comes last.
 */
static bool cut(const struct call *call, int64_t stamp)
{
	int64_t *times = call->calls->file_times, *host = times + 1, *guest = host + call->calls->file_cuts;
	uint64_t count = (uint64_t)times[0];
	int64_t now = (int64_t)(call->now + call->calls->realtime);
	struct timespec time;

	if (count >= call->calls->file_cuts || clock_gettime(CLOCK_REALTIME, &time) ||
	    stamp > time.tv_sec * SECOND + time.tv_nsec)
		return false;
	host[count] = stamp;
	guest[count] = now > guest[count - 1] ? now : guest[count - 1];
	__atomic_store_n(times, (int64_t)count + 1, __ATOMIC_RELEASE);
	return true;
}

/* Between two cuts the time runs evenly. */
bool call_dated(const struct call *call, int64_t *stamp)
{
	const int64_t *times = call->calls->file_times, *host = times + 1, *guest = host + call->calls->file_cuts;

	if (!times[0] || (uint64_t)times[0] > call->calls->file_cuts)
		return false;
	if (*stamp <= host[0])
		return true;
	if (*stamp > host[times[0] - 1] && !cut(call, *stamp))
		return false;
	uint64_t count = (uint64_t)times[0];
	uint64_t after = first_from(host, count, *stamp);
	int64_t low = host[after - 1], high = host[after], first = guest[after - 1], last = guest[after];
	*stamp = *stamp < high ? first + (int64_t)((__int128)(last - first) * (*stamp - low) / (high - low)) : last;
	return true;
}

static bool put_time(const struct call *call, struct timespec time, uint64_t *ret)
{
	int64_t stamp = time.tv_sec * SECOND + time.tv_nsec;

	if (!call_dated(call, &stamp))
		return false;
	ret[0] = (uint64_t)(stamp / SECOND);
	ret[1] = (uint64_t)(stamp % SECOND);
	return true;
}

static int64_t latest(const struct stat *status)
{
	const struct timespec times[] = {status->st_atim, status->st_mtim, status->st_ctim};
	int64_t latest = INT64_MIN;

	for (int i = 0; i < 3; i++) {
		int64_t stamp = times[i].tv_sec * SECOND + times[i].tv_nsec;
		latest = stamp > latest ? stamp : latest;
	}
	return latest;
}

/* struct stat of include/uapi/asm-generic/stat.h, with times of the program's. */
static bool pack(const struct call *call, const struct stat *status, void *ret)
{
	uint32_t ids[4] = {status->st_mode, (uint32_t)status->st_nlink, status->st_uid, status->st_gid};
	uint64_t head[2] = {status->st_dev, status->st_ino};
	uint64_t middle[3] = {status->st_rdev, 0, (uint64_t)status->st_size};
	uint64_t rest[8] = {(uint32_t)status->st_blksize, (uint64_t)status->st_blocks};
	char *place = ret;
	int64_t last = latest(status);

	if (!call_dated(call, &last) || !put_time(call, status->st_atim, rest + 2) || !put_time(call, status->st_mtim, rest + 4) ||
	    !put_time(call, status->st_ctim, rest + 6))
		return false;
	memcpy(place, head, 16);
	memcpy(place + 16, ids, 16);
	memcpy(place + 32, middle, 24);
	memcpy(place + 56, rest, 64);
	memset(place + 120, 0, 8);
	return true;
}

bool call_put_status(struct call *call, const struct stat *status, void *place)
{
	call->result = 0;
	return pack(call, status, place);
}

bool call_status_of(struct call *call, uint64_t fd, void *place)
{
	const struct call_file *file = call_file(call, fd, CALL_STAT);
	struct stat status;

	return file && place && !fstat(file->host, &status) && call_put_status(call, &status, place);
}

bool call_fstat(struct call *call)
{
	return call_status_of(call, call->args[0], call_memory(call, call->args[1], CALL_STAT_BYTES, PERM_WRITE));
}

/* Stores all of from at address, in as many pieces as it lies in; from NULL: answers whether that can be done. */
static bool store(const struct call *call, uint64_t address, const char *from, uint64_t size)
{
	for (uint64_t done = 0, left; done < size; done += left) {
		void *place = call_piece(call, address + done, PERM_WRITE, &left);
		if (!place)
			return false;
		left = left < size - done ? left : size - done;
		if (from)
			memcpy(place, from + done, left);
	}
	return true;
}

/* A listing of the host's is the program's, byte for byte. */
bool call_getdents(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_LIST);
	int32_t wanted = (int32_t)call->args[2];

	if (!file || wanted < SMALLEST_ENTRY)
		return false;
	int32_t size = wanted < MOST_LISTING ? wanted : MOST_LISTING;
	void *place = call_memory(call, call->args[1], (uint64_t)size, PERM_WRITE);
	char pieces[IN_PIECES];
	if (!place && (size > IN_PIECES || !store(call, call->args[1], NULL, (uint64_t)size)))
		return false;
	call->result = syscall(SYS_getdents64, file->host, place ? place : pieces, (unsigned)size);
	if (call->result > 0 && !place)
		store(call, call->args[1], pieces, (uint64_t)call->result);
	return call->result >= 0;
}
