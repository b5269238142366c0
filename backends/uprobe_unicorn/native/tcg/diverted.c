/* The table through which the parts of a shared library call each other. */
#define _GNU_SOURCE
#include "diverted.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static uintptr_t dynamic_entry(const ElfW(Dyn) *dynamic, ElfW(Sxword) tag)
{
	for (; dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag == tag)
			return dynamic->d_un.d_ptr;
	return 0;
}

/* Where the calls of symbol from other parts of the loaded library go through, NULL if nowhere. */
static void **call_slot(const struct link_map *library, const char *symbol)
{
	const ElfW(Sym) *symbols = (const void *)dynamic_entry(library->l_ld, DT_SYMTAB);
	const char *names = (const char *)dynamic_entry(library->l_ld, DT_STRTAB);
	const ElfW(Rela) *relocation = (const void *)dynamic_entry(library->l_ld, DT_JMPREL);
	size_t count = dynamic_entry(library->l_ld, DT_PLTRELSZ) / sizeof(*relocation);

	for (; count && symbols && names && relocation; count--, relocation++)
		if (!strcmp(names + symbols[ELF64_R_SYM(relocation->r_info)].st_name, symbol))
			return (void **)(library->l_addr + relocation->r_offset);
	return NULL;
}

bool divert_call(struct diverted *diverted, void *library, const char *symbol, const void *function)
{
	void *original = dlsym(library, symbol);
	struct link_map *map;

	if (!original || dlinfo(library, RTLD_DI_LINKMAP, &map))
		return false;
	if (diverted->original)
		return diverted->library == map->l_addr;
	void **slot = call_slot(map, symbol);
	if (!slot)
		return false;
	uintptr_t page = (uintptr_t)slot & -(uintptr_t)PAGE;
	if (mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
		return false;
	diverted->original = original;
	diverted->library = map->l_addr;
	memcpy(slot, &function, sizeof(function));
	return true;
}

#else

bool divert_call(struct diverted *diverted, void *library, const char *symbol, const void *function)
{
	(void)diverted;
	(void)library;
	(void)symbol;
	(void)function;
	return false;
}

#endif
