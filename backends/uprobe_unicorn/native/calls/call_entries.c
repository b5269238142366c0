/* Entries of folders (uprobe_linux.syscalls.names): the host does it or refuses, and what it refuses Python does again. */
#define _GNU_SOURCE
#include "call_entries.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_ways.h"
#include "emulator.h"

enum { REMOVEDIR = 0x200, RENAME_FLAGS = 1 | 2 };

/* The folder and name of a path in a place that may be changed: way->name in *ret; false: Python has to look. */
static bool find_entry(const struct call *call, uint64_t dirfd, uint64_t address, struct way *way, int *ret)
{
	if (!way_find(call, dirfd, address, way) || !way_may_change(call, way))
		return false;
	*ret = way_parent(way);
	return *ret >= 0;
}

static bool done(struct call *call, const struct way *way, int folder, long error)
{
	way_leave(way, folder);
	call->result = 0;
	return !error;
}

bool call_mkdirat(struct call *call)
{
	struct way way;
	int folder;

	if (!find_entry(call, call->args[0], call->args[1], &way, &folder))
		return false;
	return done(call, &way, folder, mkdirat(folder, way.name, (mode_t)call->args[2] & 07777));
}

bool call_unlinkat(struct call *call)
{
	uint32_t flags = (uint32_t)call->args[2];
	struct way way;
	int folder;

	if (flags & ~(uint32_t)REMOVEDIR || !find_entry(call, call->args[0], call->args[1], &way, &folder))
		return false;
	return done(call, &way, folder, unlinkat(folder, way.name, flags ? AT_REMOVEDIR : 0));
}

bool call_symlinkat(struct call *call)
{
	char target[WAY_PATH];
	struct way way;
	int folder;

	if (!way_text(call, call->args[0], target, sizeof(target)) || !target[0])
		return false;
	if (!find_entry(call, call->args[1], call->args[2], &way, &folder))
		return false;
	return done(call, &way, folder, symlinkat(target, folder, way.name));
}

/* Two entries of one mount. */
struct pair {
	struct way from, to;
	int from_folder, to_folder;
};

static bool find_pair(const struct call *call, struct pair *pair)
{
	if (!find_entry(call, call->args[0], call->args[1], &pair->from, &pair->from_folder))
		return false;
	if (find_entry(call, call->args[2], call->args[3], &pair->to, &pair->to_folder)) {
		if (pair->from.file.mount == pair->to.file.mount)
			return true;
		way_leave(&pair->to, pair->to_folder);
	}
	way_leave(&pair->from, pair->from_folder);
	return false;
}

/* The name itself is linked, whatever it is: the host follows nothing without being told to. */
bool call_linkat(struct call *call)
{
	struct pair pair;

	if ((uint32_t)call->args[4] || !find_pair(call, &pair))
		return false;
	int error = linkat(pair.from_folder, pair.from.name, pair.to_folder, pair.to.name, 0);
	way_leave(&pair.from, pair.from_folder);
	return done(call, &pair.to, pair.to_folder, error);
}

static bool rename_with(struct call *call, uint32_t flags)
{
	struct pair pair;

	if (flags & ~(uint32_t)RENAME_FLAGS || flags == RENAME_FLAGS || !find_pair(call, &pair))
		return false;
	long error = syscall(SYS_renameat2, pair.from_folder, pair.from.name, pair.to_folder, pair.to.name, flags);
	way_leave(&pair.from, pair.from_folder);
	return done(call, &pair.to, pair.to_folder, error);
}

bool call_renameat(struct call *call)
{
	return rename_with(call, 0);
}

bool call_renameat2(struct call *call)
{
	return rename_with(call, (uint32_t)call->args[4]);
}
