/*
 * Small private mappings: anonymous memory, and files that are read alone (uprobe_linux.syscalls.memory).
 *
 * Python lends the list of what is mapped and a part of the arena.  What is mapped and unmapped again before anybody
 * looks at that list has never been there; the rest is taken over (own_maps.py).  Files that may be probed are
 * Python's.
 */
#define _GNU_SOURCE
#include "call_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulator.h"
#include "fills.h"

/* include/uapi/asm-generic/mman-common.h, mman.h */
enum { G_PRIVATE = 2, G_ANONYMOUS = 0x20, G_NORESERVE = 0x4000, G_STACK = 0x20000, G_READ = 1, G_WRITE = 2 };
enum { LOWEST_HOST = 3, OFFSET_BITS = 40, LARGEST_FILE = 16 * GUEST_PAGE, LARGEST_PLAIN = 256 * GUEST_PAGE };

static uint64_t page_up(uint64_t size)
{
	return (size + GUEST_PAGE - 1) & ~(uint64_t)(GUEST_PAGE - 1);
}

/* --- where ------------------------------------------------------------------------------------------ */

/* Start of the highest free range below the top of mappings, as VmaList.highest_gap; *index: regions below it. */
static bool find_gap(const struct call_maps *maps, uint64_t size, uint64_t *ret, unsigned *index)
{
	uint64_t top = maps->highest;
	unsigned i = maps->region_count;

	for (; i > 0; i--) {
		const struct call_region *region = &maps->regions[i - 1];
		if (region->end <= top && top - region->end >= size)
			break;
		top = region->start < top ? region->start : top;
	}
	*index = i;
	*ret = top - size;
	return top >= size && *ret >= maps->lowest;
}

static void insert_region(struct call_maps *maps, unsigned index, uint64_t start, uint64_t end)
{
	memmove(maps->regions + index + 1, maps->regions + index, (maps->region_count - index) * sizeof(*maps->regions));
	maps->regions[index] = (struct call_region){start, end};
	maps->region_count++;
}

static void remove_region(struct call_maps *maps, uint64_t start)
{
	unsigned index = 0;

	while (index < maps->region_count && maps->regions[index].start != start)
		index++;
	if (index == maps->region_count)
		return;
	maps->region_count--;
	memmove(maps->regions + index, maps->regions + index + 1, (maps->region_count - index) * sizeof(*maps->regions));
}

/* So much of the arena that is lent, zero if it is to be clean. */
static bool take_arena(struct glue *glue, uint64_t size, bool clean, uint64_t *ret)
{
	struct call_maps *maps = &glue->calls->maps;

	if (!maps->live)
		maps->next = maps->pool;
	*ret = maps->next;
	if (size > maps->pool_end - maps->next)
		return false;
	if (clean && *ret < maps->dirty && madvise(glue->arena + *ret, size, MADV_DONTNEED))
		return false;
	maps->next += size;
	maps->dirty = maps->next > maps->dirty ? maps->next : maps->dirty;
	return true;
}

static struct call_map *free_slot(struct call_maps *maps)
{
	for (unsigned i = 0; i < CALL_MAPS; i++)
		if (!maps->made[i].end)
			return &maps->made[i];
	return NULL;
}

/* --- mapping ------------------------------------------------------------------------------------------ */

/* Puts made, whose size is set, in a place; false: there is none here, and nothing has happened. */
static bool place(struct call *call, struct call_map made, uint64_t size, int fd)
{
	struct glue *glue = call->glue;
	struct call_maps *maps = &call->calls->maps;
	struct call_map *slot = free_slot(maps);
	unsigned index;

	if (!slot || maps->region_count == CALL_REGIONS || !calls_can_note(call->calls, 1))
		return false;
	if (!find_gap(maps, size, &made.start, &index) || extents_overlap(&glue->hidden, made.start, made.start + size))
		return false;
	if (!take_arena(glue, size, made.host < 0, &made.physical))
		return false;
	made.end = made.start + size;
	made.change = call->calls->change_count;
	calls_note(call->calls, (struct call_change){.kind = CHANGE_MAP, .fd = fd, .host = made.host,
						     .from = (int)(slot - maps->made)}, "");
	insert_region(maps, index, made.start, made.end);
	if (made.host < 0)	/* else when it is touched; without it Python is asked */
		extents_add(&glue->data, (struct extent){made.start, made.end, made.physical, made.perms});
	*slot = made;
	maps->live++;
	call->result = (int64_t)made.start;
	return true;
}

/* Whether it is what begins as a program does: somebody may want to be told of it. */
static bool may_be_program(int host)
{
	char magic[4];

	return pread(host, magic, sizeof(magic), 0) == sizeof(magic) && !memcmp(magic, "\177ELF", sizeof(magic));
}

/* What is told of a file with its mapping; false: it is nothing that is mapped here. */
static bool look_at_file(int host, uint64_t offset, uint64_t size, struct call_map *ret)
{
	struct stat status;
	int flags = fcntl(host, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || fstat(host, &status) || !S_ISREG(status.st_mode))
		return false;
	if (offset + size > page_up((uint64_t)status.st_size) || may_be_program(host))
		return false;
	ret->writable = (flags & O_ACCMODE) == O_RDWR;
	ret->stamp[0] = (int64_t)status.st_dev;
	ret->stamp[1] = (int64_t)status.st_ino;
	ret->stamp[2] = status.st_size;
	ret->stamp[3] = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
	ret->stamp[4] = status.st_ctim.tv_sec * INT64_C(1000000000) + status.st_ctim.tv_nsec;
	return true;
}

static bool map_file(struct call *call, uint64_t size)
{
	const struct call_file *file = call_file(call, call->args[4], CALL_STAT | CALL_AT | CALL_READ);
	struct call_map made = {.perms = PERM_READ, .offset = call->args[5]};

	if (!file || file->kinds & CALL_OUTSIDE || call->calls->hosts_shared || size > LARGEST_FILE ||
	    made.offset % GUEST_PAGE || made.offset >> OFFSET_BITS || !look_at_file(file->host, made.offset, size, &made))
		return false;
	made.host = fcntl(file->host, F_DUPFD_CLOEXEC, LOWEST_HOST);
	if (made.host < 0)
		return false;
	bool placed = place(call, made, size, (int32_t)call->args[4]);
	if (!placed)
		close(made.host);
	return placed;
}

bool call_mmap(struct call *call)
{
	uint64_t wanted = call->args[1], flags = call->args[3];

	if (!call->calls->maps.on || call->args[0] || !wanted || wanted > LARGEST_PLAIN)
		return false;
	if (flags == G_PRIVATE && call->args[2] == G_READ)
		return map_file(call, page_up(wanted));
	if ((flags & ~(uint64_t)(G_NORESERVE | G_STACK)) != (G_PRIVATE | G_ANONYMOUS) ||
	    call->args[2] != (G_READ | G_WRITE) || call->args[5] % GUEST_PAGE || !(call->lent & LENT_FILES))
		return false;
	return place(call, (struct call_map){.perms = PERM_READ | PERM_WRITE, .host = -1}, page_up(wanted), -1);
}

/* --- and what comes after it -------------------------------------------------------------------------- */

bool maps_fill(struct glue *glue, uint64_t address, struct uc_tlb_entry *ret)
{
	struct call_maps *maps = glue->calls ? &glue->calls->maps : NULL;
	uint64_t at = address & TAG_MASK & ~(uint64_t)(GUEST_PAGE - 1);

	for (unsigned i = 0; maps && maps->live && i < CALL_MAPS; i++) {
		struct call_map *made = &maps->made[i];
		if (at < made->start || at >= made->end || made->host < 0 || made->filled)
			continue;
		uint64_t size = made->end - made->start;
		ssize_t got = pread(made->host, glue->arena + made->physical, size, (off_t)made->offset);
		if (got < 0)
			return false;
		memset(glue->arena + made->physical + got, 0, size - (uint64_t)got);
		made->filled = true;
		extents_add(&glue->data, (struct extent){made->start, made->end, made->physical, made->perms});
		*ret = (struct uc_tlb_entry){made->physical + (at - made->start), made->perms};
		return true;
	}
	return false;
}

bool call_munmap(struct call *call)
{
	struct calls *calls = call->calls;
	uint64_t start = call->args[0], size = call->args[1];

	if (!(call->lent & LENT_FILES) || !calls->maps.live || !size || size > LARGEST_PLAIN)
		return false;
	for (unsigned i = 0; i < CALL_MAPS; i++) {
		struct call_map *made = &calls->maps.made[i];
		if (!made->end || made->start != start || made->end != start + page_up(size))
			continue;
		glue_flush_range(call->glue, made->start, made->end);
		remove_region(&calls->maps, made->start);
		if (made->host >= 0)
			close(made->host);
		calls->changes[made->change].kind = CHANGE_NONE;
		made->end = 0;
		calls->maps.live--;
		call->result = 0;
		return true;
	}
	return false;
}
