/* Bytes between files and the program (uprobe_linux.syscalls.io). */
#define _GNU_SOURCE
#include "call_transfers.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emulator.h"

/* MAX_RW_COUNT of include/linux/fs.h; and what a pipe takes whole or not at all (pipe(7)). */
enum { MOST_BYTES = 0x7ffff000, MOST_PIECES = 16, WHOLE = 4096 };
#define TASK_SIZE_MAX (UINT64_C(1) << 52)

struct pieces {
	struct iovec items[MOST_PIECES];
	int count;
	uint64_t size;
};

static bool add_piece(const struct call *call, struct pieces *pieces, uint64_t address, uint64_t size, unsigned perm)
{
	if (!size)
		return (address & TAG_MASK) <= TASK_SIZE_MAX;
	if (size > MOST_BYTES - pieces->size)
		return false;
	for (uint64_t part; size; address += part, size -= part) {
		void *place = call_piece(call, address, perm, &part);
		if (!place || pieces->count == MOST_PIECES)
			return false;
		part = part < size ? part : size;
		pieces->items[pieces->count++] = (struct iovec){place, (size_t)part};
		pieces->size += part;
	}
	return true;
}

/* The argument is one buffer, or a vector of them, of more than no bytes. */
static bool get_pieces(const struct call *call, bool vector, unsigned perm, struct pieces *ret)
{
	uint64_t table[MOST_PIECES][2];

	ret->count = 0;
	ret->size = 0;
	if (!vector)
		return add_piece(call, ret, call->args[1], call->args[2], perm) && ret->size;
	uint32_t count = (uint32_t)call->args[2];
	if (!count || count > MOST_PIECES)
		return false;
	const void *place = call_memory(call, call->args[1], 16 * (uint64_t)count, PERM_READ);
	if (!place)
		return false;
	memcpy(table, place, 16 * (size_t)count);
	for (uint32_t i = 0; i < count; i++)
		if (!add_piece(call, ret, table[i][0], table[i][1], perm))
			return false;
	return ret->size;
}

static bool is_ready(const struct call_file *file, short events)
{
	struct pollfd state = {.fd = file->host, .events = events};

	return !(file->kinds & CALL_SHARED) || poll(&state, 1, 0) > 0;
}

/* What failed is Python's to make again and to report. */
static bool transferred(struct call *call, ssize_t count)
{
	call->result = count;
	return count >= 0;
}

static bool read_into(struct call *call, bool vector)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_READ);
	struct pieces pieces;

	if (!file || (file->kinds & CALL_STREAM && !call->calls->alone))
		return false;
	if (!get_pieces(call, vector, PERM_WRITE, &pieces) || !is_ready(file, POLLIN))
		return false;
	return transferred(call, readv(file->host, pieces.items, pieces.count));
}

bool call_read(struct call *call)
{
	return read_into(call, false);
}

bool call_readv(struct call *call)
{
	return read_into(call, true);
}

/* What we have to show about what happened before is shown before it. */
static bool comes_after_ours(const struct call *call, const struct call_file *file)
{
	const struct up_engine *engine = call->glue->engine;

	return file->kinds & CALL_OUTSIDE && engine && engine->ring.records;
}

static bool may_write(const struct call *call, const struct call_file *file)
{
	if (file->kinds & CALL_STREAM)
		return call->calls->alone && !comes_after_ours(call, file);
	return !call->calls->writes_watched && !comes_after_ours(call, file);
}

static bool write_from(struct call *call, bool vector)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_WRITE);
	struct pieces pieces;

	if (!file || !may_write(call, file) || !get_pieces(call, vector, PERM_READ, &pieces))
		return false;
	if (file->kinds & CALL_STREAM && (pieces.size > WHOLE || !is_ready(file, POLLOUT)))
		return false;
	return transferred(call, writev(file->host, pieces.items, pieces.count));
}

bool call_write(struct call *call)
{
	return write_from(call, false);
}

bool call_writev(struct call *call)
{
	return write_from(call, true);
}

bool call_pread(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_READ | CALL_AT);
	int64_t offset = (int64_t)call->args[3];
	struct pieces pieces;

	if (!file || offset < 0 || !get_pieces(call, false, PERM_WRITE, &pieces))
		return false;
	return transferred(call, preadv(file->host, pieces.items, pieces.count, offset));
}

bool call_pwrite(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_WRITE | CALL_AT);
	int64_t offset = (int64_t)call->args[3];
	struct pieces pieces;

	if (!file || offset < 0 || !may_write(call, file) || !get_pieces(call, false, PERM_READ, &pieces))
		return false;
	return transferred(call, pwritev(file->host, pieces.items, pieces.count, offset));
}

bool call_lseek(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_SEEK);
	uint32_t whence = (uint32_t)call->args[2];

	if (!file || whence > SEEK_END)
		return false;
	return transferred(call, lseek(file->host, (off_t)call->args[1], (int)whence));
}
