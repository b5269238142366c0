/* The library's own function that emits checks, reached through its table of calls. */
#define _GNU_SOURCE
#include "checks.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include "shortcuts_state.h"

enum { PAGE = 4096 };

/*
 * Behind every load and store a block asks whether to stop, which forces all
 * registers into memory.  Nothing needs it here: a refused access ends the run
 * by itself, and a stop from elsewhere can wait for the next block (it has to,
 * the access would be made twice).  The engine has a switch for these checks,
 * but it is also that for the check behind a code hook, which is needed.
 */
static struct {
	const struct layout *layout;
	uintptr_t library, after_hook;
	void (*original)(void *context);
} checks;

/* In place of check_exit_request, which emits a check unless the engine's switch is on. */
static __attribute__((noinline)) void emit_check(void *context)
{
	bool *off = &AT(bool, AT(char *, context, checks.layout->context_uc), checks.layout->uc_no_checks), before = *off;

	if ((uintptr_t)__builtin_return_address(0) == checks.after_hook)
		*off = false;
	checks.original(context);
	*off = before;
}

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

bool divert_checks(void *library, const struct layout *layout)
{
	void *original = dlsym(library, "check_exit_request_aarch64");
	struct link_map *map;

	if (!original || dlinfo(library, RTLD_DI_LINKMAP, &map))
		return false;
	if (checks.layout)
		return checks.library == map->l_addr;
	void **slot = call_slot(map, "check_exit_request_aarch64");
	if (!slot)
		return false;
	uintptr_t page = (uintptr_t)slot & -(uintptr_t)PAGE;
	if (mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
		return false;
	memcpy(&checks.original, &original, sizeof(original));
	checks.layout = layout;
	checks.library = map->l_addr;
	checks.after_hook = map->l_addr + layout->after_hook;
	*slot = (void *)(uintptr_t)emit_check;
	return true;
}

#endif
