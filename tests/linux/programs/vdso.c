/* Finds the functions of the vDSO as a C library does, and calls them beside the system calls. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *base;
static const Elf64_Sym *symbols;
static const char *strings;
static const unsigned *hash;

static void find_tables(void)
{
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segments = (const void *)(base + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type != PT_DYNAMIC)
			continue;
		for (const Elf64_Dyn *d = (const void *)(base + segments[i].p_vaddr); d->d_tag; d++) {
			if (d->d_tag == DT_STRTAB)
				strings = base + d->d_un.d_ptr;
			if (d->d_tag == DT_SYMTAB)
				symbols = (const void *)(base + d->d_un.d_ptr);
			if (d->d_tag == DT_HASH)
				hash = (const void *)(base + d->d_un.d_ptr);
		}
	}
}

static unsigned hash_of(const char *name)
{
	unsigned value = 0, high;

	for (; *name; name++) {
		value = (value << 4) + (unsigned char)*name;
		high = value & 0xf0000000;
		value = (value ^ high >> 24) & ~high;
	}
	return value;
}

static void *find(const char *name)
{
	for (unsigned i = hash[2 + hash_of(name) % hash[0]]; i; i = hash[2 + hash[0] + i])
		if (!strcmp(strings + symbols[i].st_name, name))
			return (void *)(base + symbols[i].st_value);
	return NULL;
}

int main(void)
{
	base = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!base || memcmp(base, ELFMAG, SELFMAG))
		return 1;
	find_tables();
	int (*gettime)(clockid_t, struct timespec *) = find("__kernel_clock_gettime");
	int (*getres)(clockid_t, struct timespec *) = find("__kernel_clock_getres");
	int (*gettimeofday)(void *, void *) = find("__kernel_gettimeofday");
	const unsigned *back = find("__kernel_rt_sigreturn");
	struct timespec before, now, after, res;
	struct { long s, us; } day;

	if (!gettime || !getres || !gettimeofday || !back || find("__kernel_nothing"))
		return 2;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before);
	printf("clock_gettime %d\n", gettime(CLOCK_MONOTONIC, &now));
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after);
	printf("in order %d\n", (before.tv_sec < now.tv_sec || before.tv_nsec <= now.tv_nsec) &&
				      (now.tv_sec < after.tv_sec || now.tv_nsec <= after.tv_nsec));
	printf("no clock %d\n", gettime(77, &now));
	printf("clock_getres %d", getres(CLOCK_MONOTONIC, &res));
	printf(" %ld\n", res.tv_nsec);
	printf("gettimeofday %d", gettimeofday(&day, NULL));
	printf(" %d\n", day.s > 1577836800);
	printf("rt_sigreturn %08x %08x after %08x\n", back[0], back[1], back[-1]);
	return 0;
}
