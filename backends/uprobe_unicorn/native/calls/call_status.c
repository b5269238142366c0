/* Metadata and listings of the host's files (uprobe_linux.syscalls.status, .dirs). */
#define _GNU_SOURCE
#include "call_status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emulator.h"

enum { STAT_BYTES = 128, SMALLEST_ENTRY = 24, MOST_LISTING = 1 << 20 };

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* Whether the file changed during the run: then its times are the guest clock's (fs/file_times.py). */
static bool is_dated(const struct call *call, const struct stat *status)
{
	uint64_t start = call->calls->file_start;

	return nanoseconds(status->st_atim) > start || nanoseconds(status->st_mtim) > start ||
	       nanoseconds(status->st_ctim) > start;
}

/* struct stat of include/uapi/asm-generic/stat.h. */
static void pack(const struct stat *status, void *ret)
{
	uint32_t ids[4] = {status->st_mode, (uint32_t)status->st_nlink, status->st_uid, status->st_gid};
	uint64_t head[2] = {status->st_dev, status->st_ino};
	uint64_t middle[3] = {status->st_rdev, 0, (uint64_t)status->st_size};
	uint64_t rest[8] = {(uint32_t)status->st_blksize, (uint64_t)status->st_blocks};
	const struct timespec *times[3] = {&status->st_atim, &status->st_mtim, &status->st_ctim};
	char *place = ret;

	for (int i = 0; i < 3; i++) {
		rest[2 + 2 * i] = (uint64_t)times[i]->tv_sec;
		rest[3 + 2 * i] = (uint64_t)times[i]->tv_nsec;
	}
	memcpy(place, head, 16);
	memcpy(place + 16, ids, 16);
	memcpy(place + 32, middle, 24);
	memcpy(place + 56, rest, 64);
	memset(place + 120, 0, 8);
}

bool call_fstat(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	void *place = call_memory(call, call->args[1], STAT_BYTES, PERM_WRITE);
	struct stat status;

	if (!file || !place || fstat(file->host, &status) || is_dated(call, &status))
		return false;
	pack(&status, place);
	call->result = 0;
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
	if (!place)
		return false;
	call->result = syscall(SYS_getdents64, file->host, place, (unsigned)size);
	return call->result >= 0;
}
