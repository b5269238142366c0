/* Paths (uprobe_linux.fs.paths, the fast way). */
#define _GNU_SOURCE
#include "call_ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
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

/* An absolute path, at way->text. */
static bool from_top(const struct calls *calls, struct way *way)
{
	way->path = way->text + strspn(way->text, "/");
	return *way->path && !strchr("./", *way->path) && from_root(calls, way);
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
	ret->links = 0;
	if (ret->text[0] == '/')
		return from_top(calls, ret);
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

/* --- links --------------------------------------------------------------------------------------------- */

/* A link on the way: its name is path[start, end), what it says is target[skipped...]. */
struct link {
	size_t start, end, skipped;
	char target[WAY_PATH];
};

/* Whether what lies at the first bytes of the way is a link; false also if it cannot be looked at. */
static bool is_link(const struct way *way, size_t end, struct link *ret)
{
	struct way part = {.file = way->file, .path = ret->target};

	memcpy(ret->target, way->path, end);
	ret->target[end] = 0;
	int fd = way_open(&part, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	ssize_t length = readlinkat(fd, "", ret->target, sizeof(ret->target));
	close(fd);
	if (length <= 0 || (size_t)length == sizeof(ret->target))
		return false;
	ret->target[length] = 0;
	return true;
}

static bool first_link(const struct way *way, struct link *ret)
{
	ret->skipped = 0;
	for (ret->end = 0; way->path[ret->end];) {
		ret->start = ret->end + strspn(way->path + ret->end, "/");
		ret->end = ret->start + strcspn(way->path + ret->start, "/");
		if (is_link(way, ret->end, ret))
			return true;
	}
	return false;
}

/* Names before the link are those of folders, so each ".." that it begins with takes one away; false: there is none. */
static bool go_up(const struct way *way, struct link *link)
{
	while (!strncmp(link->target + link->skipped, "../", 3)) {
		link->skipped += 3 + strspn(link->target + link->skipped + 3, "/");
		while (link->start && way->path[link->start - 1] == '/')
			link->start--;
		size_t end = link->start;
		while (link->start && way->path[link->start - 1] != '/')
			link->start--;
		if (link->start == end || way->path[link->start] == '.')
			return false;
	}
	return link->target[link->skipped];
}

/* The next look is at what the link says, in the place of its name; what comes behind it is kept. */
bool way_follow(const struct call *call, struct way *way, bool last)
{
	struct link link;
	char text[WAY_PATH];
	int before = 0;

	if (way->links++ == WAY_LINKS || !first_link(way, &link) || (!last && !way->path[link.end]))
		return false;
	if (link.target[0] != '/') {
		if (!go_up(way, &link))
			return false;
		before = (int)(way->path - way->text) + (int)link.start;
	}
	int length = snprintf(text, sizeof(text), "%.*s%s%s", before, way->text, link.target + link.skipped, way->path + link.end);
	if (length >= (int)sizeof(text) || goes_up(text))
		return false;
	memcpy(way->text, text, (size_t)length + 1);
	way->path = way->text;
	return text[0] != '/' || from_top(call->calls, way);
}

int way_open_through(const struct call *call, struct way *way, int flags)
{
	int fd;

	do {
		fd = way_open(way, flags, 0);
	} while (fd == -ELOOP && way_follow(call, way, !(flags & O_NOFOLLOW)));
	return fd;
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
