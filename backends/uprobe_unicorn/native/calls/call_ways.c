/* Paths (uprobe_linux.fs.paths, the fast way). */
#define _GNU_SOURCE
#include "call_ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emulator.h"

/* include/uapi/linux/openat2.h; the number is the same on every architecture. */
enum { OPENAT2 = 437, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8 };

struct how {
	uint64_t flags, mode, resolve;
};

/* Page by page, as far as the string goes. */
bool way_text(const struct call *call, uint64_t address, char *ret, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t part = GUEST_PAGE - (address + done) % GUEST_PAGE;
		const char *from = call_memory(call, address + done, 1, PERM_READ);
		if (!from)
			return false;
		part = part < size - done ? part : size - done;
		memcpy(ret + done, from, part);
		if (memchr(ret + done, 0, part))
			return true;
		done += part;
	}
	return false;
}

static bool goes_up(const char *path)
{
	for (const char *at = strstr(path, ".."); at; at = strstr(at + 1, ".."))
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

static bool is_at_or_below(const char *path, const char *name, size_t length)
{
	return !strncmp(path, name, length) && (!path[length] || path[length] == '/');
}

/* What is mounted there, not what lies below it. */
static bool name_itself(struct way *way)
{
	char *end = way->text + strlen(way->text);

	if (end + sizeof("/.") > way->text + sizeof(way->text))
		return false;
	memcpy(end, "/.", sizeof("/."));
	way->path = end + 1;
	return true;
}

/* An absolute path below the root's mount, or at or below what is mounted at its first components. */
static bool from_root(const struct calls *calls, struct way *way)
{
	size_t most = 0;

	way->start = WAY_ROOT;
	way->file = calls->root;
	if (calls->mounted_count > CALL_MOUNTED)
		return false;
	for (unsigned i = 0; i < calls->mounted_count; i++) {
		const struct call_mounted *mounted = &calls->mounted[i];
		size_t length = strlen(mounted->name);
		if (length <= most || !is_at_or_below(way->path, mounted->name, length))
			continue;
		way->file = mounted->file;
		most = length;
	}
	way->path += most;
	way->path += strspn(way->path, "/");
	return way->file.kinds & CALL_BASE && (*way->path || name_itself(way));
}

/* A descriptor from which no path can start: none, or a regular file (what a program is told of those is the same). */
static bool not_from(struct call *call, uint64_t dirfd)
{
	const struct call_file *file = call_file(call, dirfd, CALL_STAT | CALL_AT);

	return file && !(file->kinds & (CALL_LIST | CALL_OUTSIDE)) ? call_refuse(call, ENOTDIR) : call_needs_open(call, dirfd);
}

bool way_find(struct call *call, uint64_t dirfd, uint64_t address, struct way *ret)
{
	const struct calls *calls = call->calls;

	if (!(call->lent & LENT_PATHS))
		return false;
	if (!way_text(call, address, ret->text, sizeof(ret->text)) || !ret->text[0] || goes_up(ret->text))
		return false;
	ret->path = ret->text;
	ret->name = NULL;
	if (ret->text[0] == '/') {
		ret->path += strspn(ret->path, "/");
		return *ret->path && !strchr("./", *ret->path) && from_root(calls, ret);
	}
	ret->start = (int32_t)dirfd;
	if (ret->start == WAY_CWD) {
		ret->file = calls->cwd;
		return calls->cwd.kinds;
	}
	const struct call_file *file = call_file(call, dirfd, CALL_BASE);
	if (!file)
		return not_from(call, dirfd);
	ret->file = *file;
	return true;
}

bool way_may_change(const struct call *call, const struct way *way)
{
	return call->lent & LENT_CHANGES && !(way->file.kinds & CALL_FIXED);
}

bool way_is_name(const struct way *way)
{
	return !strchr(way->path, '/') && strcmp(way->path, ".");
}

int way_open(const struct way *way, int flags, unsigned mode)
{
	struct how how = {(uint64_t)(unsigned)(flags | O_CLOEXEC), mode, BENEATH | NO_SYMLINKS | NO_MAGICLINKS};
	long fd = syscall(OPENAT2, way->file.host, way->path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

bool way_refused(struct call *call, int error)
{
	call->result = error;
	return error == -ENOENT || error == -ENOTDIR;
}

int way_parent(struct way *way)
{
	char *path = way->text + (way->path - way->text), *slash = strrchr(path, '/');

	way->name = slash ? slash + 1 : path;
	if (!*way->name || !strcmp(way->name, "."))
		return -ELOOP;	/* for Python */
	if (!slash)
		return way->file.host;
	*slash = 0;
	return *path ? way_open(way, O_PATH | O_DIRECTORY, 0) : -ELOOP;
}

void way_leave(const struct way *way, int folder)
{
	if (folder >= 0 && folder != way->file.host)
		close(folder);
}
