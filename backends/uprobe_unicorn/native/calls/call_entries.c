/*
 * Entries of folders (uprobe_linux.syscalls.names): the host does it or refuses.  Python asks it in the same way, so
 * what it says of names is the answer; what else it refuses Python does again.
 */
#define _GNU_SOURCE
#include "call_entries.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_ways.h"
#include "emulator.h"

enum { REMOVEDIR = 0x200, NOREPLACE = 1, EXCHANGE = 2, WHITEOUT = 4 };

/* The folder of a path in a place that may be changed in *ret, its name in way->name; false as of way_find. */
static bool find_entry(struct call *call, uint64_t dirfd, uint64_t address, struct way *way, int *ret)
{
	if (!way_find(call, dirfd, address, way) || !way_may_change(call, way))
		return false;
	*ret = way_parent(way);
	if (*ret < 0 && way_refused(call, *ret))
		call_refuse(call, -*ret);
	return *ret >= 0;
}

static bool is_of_names(int error)
{
	return error == ENOENT || error == EEXIST || error == ENOTDIR || error == EISDIR || error == ENOTEMPTY ||
	       error == EXDEV;
}

/* The host has answered failed, and errno says why. */
static bool done(struct call *call, const struct way *way, int folder, long failed)
{
	int error = failed ? errno : 0;

	way_leave(way, folder);
	call->result = -error;
	return !error || is_of_names(error);
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

/* Two entries. */
struct pair {
	struct way from, to;
	int from_folder, to_folder;
};

static bool find_pair(struct call *call, struct pair *pair)
{
	if (!find_entry(call, call->args[0], call->args[1], &pair->from, &pair->from_folder))
		return false;
	if (find_entry(call, call->args[2], call->args[3], &pair->to, &pair->to_folder))
		return true;
	way_leave(&pair->from, pair->from_folder);
	return false;
}

static bool is_of_one_mount(const struct pair *pair)
{
	return pair->from.file.mount == pair->to.file.mount;
}

static bool done_with(struct call *call, const struct pair *pair, long failed)
{
	int error = failed ? errno : 0;

	way_leave(&pair->from, pair->from_folder);
	errno = error;
	return done(call, &pair->to, pair->to_folder, failed);
}

/* --- links -------------------------------------------------------------------------------------------- */

/* What is there in the mount *ret, which is no entry: the root, what is mounted or made up; false: Python has to look. */
static bool find_top(const struct call *call, uint64_t address, uint32_t *ret)
{
	const struct calls *calls = call->calls;
	char text[CALL_NAME + 1];

	if (!way_text(call, address, text, sizeof(text)) || text[0] != '/' || calls->mounted_count > CALL_MOUNTED)
		return false;
	if (!text[1]) {
		*ret = calls->root.mount;
		return calls->root.kinds;
	}
	for (unsigned i = 0; i < calls->mounted_count; i++) {
		const struct call_mounted *mounted = &calls->mounted[i];
		if (!strcmp(text + 1, mounted->name)) {
			*ret = mounted->file.mount;
			return mounted->file.kinds;
		}
	}
	return false;
}

static bool is_free(int folder, const char *name)
{
	struct stat status;

	return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
}

/* Something that is there has been asked for in another mount than its own. */
static bool link_across(struct call *call)
{
	uint32_t mount;
	struct way to;
	int folder;

	if (!find_top(call, call->args[1], &mount) || !find_entry(call, call->args[2], call->args[3], &to, &folder))
		return false;
	bool certain = mount != to.file.mount && is_free(folder, to.name);
	way_leave(&to, folder);
	call->result = -EXDEV;
	return certain;
}

/* The name itself is linked, whatever it is: the host follows nothing without being told to. */
bool call_linkat(struct call *call)
{
	struct pair pair;

	if ((uint32_t)call->args[4])
		return false;
	if (link_across(call) || call->refused)
		return true;
	if (!find_pair(call, &pair))
		return false;
	errno = ELOOP;	/* two mounts: for Python */
	return done_with(call, &pair, !is_of_one_mount(&pair) ||
			 linkat(pair.from_folder, pair.from.name, pair.to_folder, pair.to.name, 0));
}

static bool rename_with(struct call *call, uint32_t flags)
{
	struct pair pair;

	if (flags & ~(uint32_t)(NOREPLACE | EXCHANGE | WHITEOUT) || (flags & EXCHANGE && flags & (NOREPLACE | WHITEOUT)))
		return call_refuse(call, EINVAL);
	if (flags & WHITEOUT || !find_pair(call, &pair))
		return false;
	if (!is_of_one_mount(&pair)) {
		errno = EXDEV;
		return done_with(call, &pair, -1);
	}
	return done_with(call, &pair, syscall(SYS_renameat2, pair.from_folder, pair.from.name, pair.to_folder,
					      pair.to.name, flags));
}

bool call_renameat(struct call *call)
{
	return rename_with(call, 0);
}

bool call_renameat2(struct call *call)
{
	return rename_with(call, (uint32_t)call->args[4]);
}
