/*
 * Descriptors of regular files and folders (uprobe_linux.fs.opening, .fdtable).
 *
 * What happens to the program's table here is noted down, and Python does it to its own before anybody
 * else looks.  No room for a note: the call is Python's.
 */
#define _GNU_SOURCE
#include "call_opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call_ways.h"
#include "emulator.h"

enum { LOWEST_HOST = 3 };
enum { OF_FILE = CALL_USED | CALL_KNOWN | CALL_STAT | CALL_READ | CALL_WRITE | CALL_SEEK | CALL_AT | CALL_POLL,
       OF_FOLDER = CALL_USED | CALL_KNOWN | CALL_STAT | CALL_LIST | CALL_SEEK | CALL_BASE };

/* --- open flags: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h ------------- */

enum { G_CREAT = 0100, G_EXCL = 0200, G_NOCTTY = 0400, G_TRUNC = 01000, G_APPEND = 02000, G_NONBLOCK = 04000, G_DSYNC = 010000,
       G_ASYNC = 020000, G_DIRECTORY = 040000, G_NOFOLLOW = 0100000, G_DIRECT = 0200000, G_LARGEFILE = 0400000,
       G_NOATIME = 01000000, G_CLOEXEC = 02000000, G_SYNC = 04000000, G_PATH = 010000000 };
enum { PLAIN_OPEN = O_ACCMODE | G_CREAT | G_EXCL | G_NOCTTY | G_TRUNC | G_APPEND | G_NONBLOCK | G_DIRECTORY | G_NOFOLLOW |
		    G_LARGEFILE | G_CLOEXEC };

static const struct {
	uint32_t guest;
	int host;
} open_flags[] = {
	{G_CREAT, O_CREAT}, {G_EXCL, O_EXCL}, {G_NOCTTY, O_NOCTTY}, {G_TRUNC, O_TRUNC}, {G_APPEND, O_APPEND}, {G_NONBLOCK, O_NONBLOCK},
	{G_DSYNC, O_DSYNC}, {G_ASYNC, O_ASYNC}, {G_DIRECTORY, O_DIRECTORY}, {G_DIRECT, O_DIRECT}, {G_NOATIME, O_NOATIME},
	{G_CLOEXEC, O_CLOEXEC}, {G_SYNC, O_SYNC & ~O_DSYNC}, {G_NOFOLLOW, O_NOFOLLOW},
};
enum { OPEN_FLAGS = sizeof(open_flags) / sizeof(open_flags[0]) };

static int host_flags(uint32_t guest)
{
	int flags = (int)(guest & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	for (unsigned i = 0; i < OPEN_FLAGS; i++)
		flags |= guest & open_flags[i].guest ? open_flags[i].host : 0;
	return flags;
}

static uint32_t guest_flags(int host)
{
	uint32_t flags = (uint32_t)host & O_ACCMODE;

	for (unsigned i = 0; i < OPEN_FLAGS; i++)
		flags |= host & open_flags[i].host ? open_flags[i].guest : 0;
	return flags | G_LARGEFILE;
}

/* --- the table ------------------------------------------------------------------- */

/* The lowest free number from minimum, or UINT32_MAX. */
static unsigned free_number(struct calls *calls, unsigned minimum)
{
	unsigned fd = minimum > calls->lowest ? minimum : calls->lowest;

	while (fd < calls->file_count && calls->files[fd].kinds)
		fd++;
	if (minimum <= calls->lowest)
		calls->lowest = fd;
	return fd < calls->limit && fd < calls->file_count ? fd : UINT32_MAX;
}

bool call_close(struct call *call)
{
	struct calls *calls = call->calls;
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	unsigned fd = (uint32_t)call->args[0];

	if (!file)
		return call_needs_open(call, call->args[0]);
	if (calls->hosts_shared || !calls_can_note(calls, 1))
		return false;
	int host = file->host;
	calls_file(calls, fd, (struct call_file){-1, 0, 0});
	calls_note(calls, (struct call_change){.kind = CHANGE_CLOSE, .fd = (int)fd, .host = host}, "");
	call->result = close(host) ? -errno : 0;
	return true;
}

static bool duplicate(struct call *call, unsigned minimum, bool cloexec)
{
	struct calls *calls = call->calls;
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	unsigned fd = file && calls_can_note(calls, 1) ? free_number(calls, minimum) : UINT32_MAX;

	if (fd == UINT32_MAX)
		return false;
	int host = fcntl(file->host, F_DUPFD_CLOEXEC, LOWEST_HOST);
	if (host < 0)
		return false;
	uint32_t kinds = (file->kinds & ~(uint32_t)CALL_CLOEXEC) | (cloexec ? CALL_CLOEXEC : 0);
	calls_file(calls, fd, (struct call_file){host, kinds, file->mount});
	calls_note(calls, (struct call_change){.kind = CHANGE_DUP, .fd = (int)fd, .host = host,
					 .from = (int32_t)call->args[0], .cloexec = cloexec}, "");
	call->result = (int64_t)fd;
	return true;
}

bool call_dup(struct call *call)
{
	return duplicate(call, 0, false);
}

static bool set_cloexec(struct call *call, bool cloexec)
{
	struct calls *calls = call->calls;
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	unsigned fd = (uint32_t)call->args[0];

	if (!file || !calls_can_note(calls, 1))
		return false;
	calls->files[fd].kinds = (file->kinds & ~(uint32_t)CALL_CLOEXEC) | (cloexec ? CALL_CLOEXEC : 0);
	calls_note(calls, (struct call_change){.kind = CHANGE_CLOEXEC, .fd = (int)fd, .cloexec = cloexec}, "");
	call->result = 0;
	return true;
}

/* include/uapi/asm-generic/fcntl.h */
enum { DUPFD, GETFD, SETFD, GETFL, DUPFD_CLOEXEC = 1030 };

bool call_fcntl(struct call *call)
{
	const struct call_file *file = call_file(call, call->args[0], CALL_STAT);
	int32_t command = (int32_t)call->args[1], argument = (int32_t)call->args[2];

	if (!file)
		return call_needs_open(call, call->args[0]);
	switch (command) {
	case DUPFD: case DUPFD_CLOEXEC:
		return argument >= 0 && (unsigned)argument < call->calls->limit &&
		       duplicate(call, (unsigned)argument, command == DUPFD_CLOEXEC);
	case GETFD:
		call->result = file->kinds & CALL_CLOEXEC ? 1 : 0;
		return true;
	case SETFD:
		return set_cloexec(call, argument & 1);
	case GETFL: {
		int flags = fcntl(file->host, F_GETFL);
		call->result = guest_flags(flags);
		return flags >= 0;
	}
	default:
		return false;
	}
}

/* --- opening ------------------------------------------------------------------------------------------ */

/*
 * Whether what is there can be opened without anybody noticing: 0, the error, or -ELOOP for Python.
 *
 * A link on the way is followed here, to wherever it leads: only the good news is believed, since the open
 * that comes next follows none and says what is wrong.  Of what can then be opened *mode_ret is the mode,
 * unless somebody puts something else there meanwhile.
 */
static int look_before(const struct way *way, uint32_t flags, mode_t *mode_ret)
{
	struct stat status;

	*mode_ret = flags & G_DIRECTORY ? S_IFDIR : S_IFREG;
	if (flags & G_DIRECTORY)
		return 0;
	if (!fstatat(way->file.host, way->path, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) {
		*mode_ret = status.st_mode;
		bool kept = !(flags & G_TRUNC) || !status.st_size;	/* or others may have it mapped */
		return kept && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) ? 0 : -ELOOP;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return -errno;
	return way_is_name(way) && !(flags & G_CREAT) ? -errno : 0;
}

/* A regular file's or a folder's kinds; 0: it is something else, or Python's (fs/set_ids.py). */
static uint32_t kinds_of(mode_t mode, const struct way *way, uint32_t flags)
{
	if (S_ISREG(mode) && flags & O_ACCMODE && mode & (S_ISUID | S_ISGID))
		return 0;
	if (S_ISREG(mode))
		return OF_FILE | (way->file.kinds & CALL_FIXED);
	return S_ISDIR(mode) ? OF_FOLDER | (way->file.kinds & CALL_FIXED) : 0;
}

/* The mode of what was opened; 0: unknown.  It is what was looked at if no other process of the program could change it. */
static mode_t mode_of(const struct call *call, int host, mode_t looked_at)
{
	struct stat status;

	if (call->calls->alone)
		return looked_at;
	return fstat(host, &status) ? 0 : status.st_mode;
}

static bool may_open(const struct call *call, const struct way *way, uint32_t flags)
{
	size_t length = strlen(way->path);

	if (!(flags & (O_ACCMODE | G_CREAT | G_TRUNC)))
		return true;
	if (!way_may_change(call, way) || (flags & O_ACCMODE) == O_ACCMODE)
		return false;
	if (flags & G_TRUNC && (!(flags & O_ACCMODE) || flags & G_DIRECTORY))
		return false;
	return !(flags & G_CREAT) || (!(flags & G_DIRECTORY) && way->path[length - 1] != '/' &&
				      strcmp(way->path + (length > 1 ? length - 2 : 0), "/."));
}

/* The new descriptor is host; false: it is nothing that is opened here. */
static bool install(struct call *call, const struct way *way, unsigned fd, int host, uint32_t flags, mode_t mode)
{
	uint32_t kinds = host < LOWEST_HOST ? 0 : kinds_of(mode_of(call, host, mode), way, flags);
	bool cloexec = flags & G_CLOEXEC;

	if (!kinds) {
		close(host);
		return false;
	}
	calls_file(call->calls, fd, (struct call_file){host, kinds | (cloexec ? CALL_CLOEXEC : 0), way->file.mount});
	calls_note(call->calls, (struct call_change){.kind = CHANGE_OPEN, .fd = (int)fd, .host = host, .from = way->start,
					       .is_dir = kinds & CALL_LIST, .cloexec = cloexec},
	     way->start == WAY_ROOT ? way->text : way->path);
	call->result = (int64_t)fd;
	return true;
}

static bool is_new_only(uint32_t flags)
{
	return (flags & (G_CREAT | G_EXCL)) == (G_CREAT | G_EXCL);
}

/* The host's descriptor of what is there, or the error below 0: -ELOOP may also mean that it is Python's. */
static int open_at(const struct call *call, const struct way *way, uint32_t flags, mode_t *mode_ret)
{
	int error = look_before(way, flags, mode_ret);

	if (error)
		return error;
	int wanted = host_flags(flags & ~(uint32_t)G_NOFOLLOW) | (flags & G_NOFOLLOW || is_new_only(flags) ? O_NOFOLLOW : 0);
	return way_open(way, wanted, flags & G_CREAT ? (unsigned)call->args[3] & 07777 : 0);
}

bool call_openat(struct call *call)
{
	struct calls *calls = call->calls;
	uint32_t flags = (uint32_t)call->args[2];
	struct way way;
	mode_t mode;

	if (flags & ~(uint32_t)PLAIN_OPEN || calls->opens_noticed)
		return false;
	unsigned fd = calls_can_note(calls, WAY_PATH) ? free_number(calls, 0) : UINT32_MAX;
	if (fd == UINT32_MAX || !way_find(call, call->args[0], call->args[1], &way) || !may_open(call, &way, flags))
		return false;
	int host = open_at(call, &way, flags, &mode);
	while (host == -ELOOP && !(flags & G_CREAT) && way_follow(call, &way, !(flags & G_NOFOLLOW)))
		host = may_open(call, &way, flags) ? open_at(call, &way, flags, &mode) : -EPERM;
	if (host < 0)
		return way_refused(call, host) || (host == -EEXIST && is_new_only(flags));
	return install(call, &way, fd, host, flags, mode);
}
