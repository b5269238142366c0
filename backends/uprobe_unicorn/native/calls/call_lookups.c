/* What a path names: metadata, access, the text of links (uprobe_linux.syscalls.status). */
#define _GNU_SOURCE
#include "call_lookups.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "call_status.h"
#include "call_ways.h"
#include "emulator.h"

enum { PLAIN_FLAGS = 0x100 | 0x800, NOFOLLOW = 0x100, EMPTY_PATH = 0x1000, STATX_BYTES = 256, STATFS_BYTES = 120, STATX_KNOWN_ATTRIBUTES = 0x1fff };

/* Metadata of what is there; below 0: the error. */
static int look_at(const struct call *call, struct way *way, bool follow, struct stat *ret)
{
	if (way_is_name(way)) {
		if (fstatat(way->file.host, way->path, ret, AT_SYMLINK_NOFOLLOW))
			return -errno;
		if (!follow || !S_ISLNK(ret->st_mode))
			return 0;
	}
	int fd = way_open_through(call, way, O_PATH | (follow ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return fd;
	int error = fstat(fd, ret) ? -EIO : 0;
	close(fd);
	return error;
}

/* "" with AT_EMPTY_PATH: what a C library's fstat asks for. */
static bool is_of_descriptor(const struct call *call, uint32_t flags)
{
	char text[1];

	return flags & EMPTY_PATH && (int32_t)call->args[0] != WAY_CWD && way_text(call, call->args[1], text, 1);
}

bool call_newfstatat(struct call *call)
{
	uint32_t flags = (uint32_t)call->args[3];
	void *place = call_memory(call, call->args[2], CALL_STAT_BYTES, PERM_WRITE);
	struct stat status;
	struct way way;

	if (!place || flags & ~(uint32_t)(PLAIN_FLAGS | EMPTY_PATH))
		return false;
	if (is_of_descriptor(call, flags))
		return call_status_of(call, call->args[0], place);
	if (flags & EMPTY_PATH || !way_find(call, call->args[0], call->args[1], &way))
		return false;
	int error = look_at(call, &way, !(flags & NOFOLLOW), &status);
	if (error)
		return way_refused(call, error);
	return call_put_status(call, &status, place);
}

/* The four times of a struct statx: access, birth, change, modification. */
static bool date(const struct call *call, char *packed)
{
	for (int at = 64; at <= 112; at += 16) {
		int64_t seconds;
		uint32_t rest;
		memcpy(&seconds, packed + at, 8);
		memcpy(&rest, packed + at + 8, 4);
		int64_t stamp = seconds * INT64_C(1000000000) + rest;
		if (!call_dated(call, &stamp))
			return false;
		seconds = stamp / INT64_C(1000000000);
		rest = (uint32_t)(stamp % INT64_C(1000000000));
		memcpy(packed + at, &seconds, 8);
		memcpy(packed + at + 8, &rest, 4);
	}
	return true;
}

bool call_statx(struct call *call)
{
	uint32_t flags = (uint32_t)call->args[2], mask = (uint32_t)call->args[3], found;
	void *place = call_memory(call, call->args[4], STATX_BYTES, PERM_WRITE);
	char packed[STATX_BYTES];
	struct way way;

	if (!place || flags & ~(uint32_t)PLAIN_FLAGS || mask >> 31 || !way_find(call, call->args[0], call->args[1], &way))
		return false;
	int fd = way_open_through(call, &way, O_PATH | (flags & NOFOLLOW ? O_NOFOLLOW : 0));
	if (fd < 0)
		return way_refused(call, fd);
	long error = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, mask, packed);
	close(fd);
	if (error || !date(call, packed))
		return false;
	memcpy(&found, packed, 4);
	found &= STATX_KNOWN_ATTRIBUTES;
	memcpy(packed, &found, 4);
	memcpy(place, packed, sizeof(packed));
	call->result = 0;
	return true;
}

bool call_faccessat(struct call *call)
{
	uint32_t mode = (uint32_t)call->args[2];
	struct way way;

	if (mode & ~(uint32_t)(R_OK | W_OK | X_OK) || !way_find(call, call->args[0], call->args[1], &way))
		return false;
	int fd = way_open_through(call, &way, O_PATH);
	if (fd < 0)
		return way_refused(call, fd);
	bool fixed = mode & W_OK && way.file.kinds & CALL_FIXED;
	long error = mode && !fixed ? syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH) : fixed;
	close(fd);
	call->result = 0;
	return !error;
}

/* struct statfs is the same on every 64-bit architecture; a place that allows no change says so (ST_RDONLY). */
static bool put_system(struct call *call, int fd, bool is_fixed, void *place)
{
	struct statfs system;

	_Static_assert(sizeof(system) == STATFS_BYTES, "include/uapi/asm-generic/statfs.h");
	if (fstatfs(fd, &system))
		return false;
	system.f_flags |= is_fixed;
	memcpy(place, &system, sizeof(system));
	call->result = 0;
	return true;
}

bool call_statfs(struct call *call)
{
	void *place = call_memory(call, call->args[1], STATFS_BYTES, PERM_WRITE);
	struct way way;

	if (!place || !way_find(call, (uint64_t)WAY_CWD, call->args[0], &way))
		return false;
	int fd = way_open_through(call, &way, O_PATH);
	if (fd < 0)
		return way_refused(call, fd);
	bool made = put_system(call, fd, way.file.kinds & CALL_FIXED, place);
	close(fd);
	return made;
}

bool call_fstatfs(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	void *place = call_memory(call, call->args[1], STATFS_BYTES, PERM_WRITE);

	return file && place && put_system(call, file->host, file->kinds & CALL_FIXED, place);
}

bool call_readlinkat(struct call *call)
{
	int32_t size = (int32_t)call->args[3];
	char text[4096];
	struct way way;

	if (size <= 0 || !way_find(call, call->args[0], call->args[1], &way))
		return false;
	int fd = way_open_through(call, &way, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return way_refused(call, fd);
	ssize_t length = readlinkat(fd, "", text, sizeof(text));
	close(fd);
	if (length <= 0)
		return false;
	length = length < size ? length : size;
	void *place = call_memory(call, call->args[2], (uint64_t)length, PERM_WRITE);
	if (!place)
		return false;
	memcpy(place, text, (size_t)length);
	call->result = length;
	return true;
}
