/* Blocks of translated code changed when they are new; see shortcuts.h. */
#define _GNU_SOURCE
#include "shortcuts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include "allocate.h"
#include "builds.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000	/* a hint, for kernels that do not know it */
#endif

enum { TARGETS = 1 << 14, PAGE_BITS = 12, CHECK_BYTES = 17, JUMP_BYTES = 10 };
enum { AARCH64_STATE = (int)0x80000000, SINGLE_STEP = 0x40000000 };	/* TBFLAG_ANY, in hflags */

/* The block for pc in state, while generation lasts. */
struct target {
	uint64_t pc, state, generation;
	void *code;
};

struct shortcuts {
	char *env;
	uc_engine *engine;
	const char *context;
	const struct layout *layout;
	void *check, *look_up;
	unsigned char *stubs;	/* a page within the reach of a call in translated code; NULL: not yet, or none was free */
	bool tried;
	struct target targets[TARGETS];
};

#define AT(type, base, offset) (*(type *)((char *)(base) + (offset)))

/* --- the look-up ------------------------------------------------------------------------- */

typedef void *look_up_function(void *env);

static void *original_look_up(const struct shortcuts *shortcuts, void *env)
{
	look_up_function *function;

	memcpy(&function, &shortcuts->look_up, sizeof(function));
	return function(env);
}

/* Grows with every event after which a block may not be what it was: flushed translations, flushed or removed blocks. */
static uint64_t generation(const struct shortcuts *shortcuts, const char *env)
{
	const struct layout *layout = shortcuts->layout;
	const uint64_t *flushes = &AT(const uint64_t, env, layout->env_flushes);	/* full, partial, elided */

	return flushes[0] + flushes[1] + flushes[2] + AT(const uint64_t, shortcuts->context, layout->context_invalidated) +
	       AT(const uint32_t, shortcuts->context, layout->context_flushes);
}

static __attribute__((noinline)) void *look_up_slowly(struct shortcuts *shortcuts, char *env, struct target *target)
{
	const struct layout *layout = shortcuts->layout;
	uint32_t flags = AT(uint32_t, env, layout->env_hflags);
	struct target found = {
		AT(uint64_t, env, layout->env_pc),
		flags | (uint64_t)AT(uint32_t, env, layout->env_btype) << 32,
		0,
		original_look_up(shortcuts, env),
	};

	found.generation = generation(shortcuts, env);
	if (found.code != AT(void *, shortcuts->context, layout->context_epilogue) &&
	    (flags & (unsigned)AARCH64_STATE) && !(flags & SINGLE_STEP))
		*target = found;
	return found.code;
}

/* In place of helper_lookup_tb_ptr: the code to go on with at env's PC. */
static void *look_up(void *env, struct shortcuts *shortcuts)
{
	const struct layout *layout = shortcuts->layout;
	uint64_t pc = AT(uint64_t, env, layout->env_pc);
	uint64_t state = AT(uint32_t, env, layout->env_hflags) | (uint64_t)AT(uint32_t, env, layout->env_btype) << 32;
	struct target *target = &shortcuts->targets[(pc >> 2 ^ pc >> 15) % TARGETS];
	if (target->pc == pc && target->state == state && target->generation == generation(shortcuts, env))
		return target->code;
	return look_up_slowly(shortcuts, env, target);
}

/* --- code within reach --------------------------------------------------------------------- */

enum { STUB_PAGE = 4096, CHECK_STUB = 0, LOOK_UP_STUB = 32, TRIES = 4096 };

/* Writes instructions that end in jmp *address(%rip), the address behind them. */
static void write_stub(unsigned char *at, const unsigned char *start, size_t size, const void *address)
{
	static const unsigned char jump[6] = {0xff, 0x25, 0, 0, 0, 0};

	memcpy(at, start, size);
	memcpy(at + size, jump, sizeof(jump));
	memcpy(at + size + sizeof(jump), &address, sizeof(address));
}

/*
 * The check that blocks made before, called with the same return address, from
 * which PC is worked out; and the look-up, with what it needs to know.
 */
static void write_stubs(struct shortcuts *shortcuts, unsigned char *page)
{
	unsigned char check[9] = {0x48, 0x8b, 0xbd, 0, 0, 0, 0, 0x31, 0xf6};	/* mov uc(%rbp), %rdi; xor %esi, %esi */
	unsigned char argument[10] = {0x48, 0xbe};	/* movabs $shortcuts, %rsi */

	memcpy(check + 3, &shortcuts->layout->env_uc, 4);
	memcpy(argument + 2, &shortcuts, 8);
	write_stub(page + CHECK_STUB, check, sizeof(check), shortcuts->check);
	write_stub(page + LOOK_UP_STUB, argument, sizeof(argument), (const void *)(uintptr_t)look_up);
}

/* A page below code, which is at the start of what is ever translated. */
static void place_stubs(struct shortcuts *shortcuts, const unsigned char *code)
{
	uintptr_t near = (uintptr_t)code & -(uintptr_t)STUB_PAGE;
	void *page = MAP_FAILED;

	shortcuts->tried = true;
	for (unsigned i = 1; i < TRIES && page == MAP_FAILED; i++)
		page = mmap((void *)(near - i * UINT64_C(65536)), STUB_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (page == MAP_FAILED)
		return;
	write_stubs(shortcuts, page);
	if (mprotect(page, STUB_PAGE, PROT_READ | PROT_EXEC))
		munmap(page, STUB_PAGE);
	else
		shortcuts->stubs = page;
}

/* --- changing a block ---------------------------------------------------------------------------- */

/* Whether the four bytes at code are the distance from behind them to target. */
static bool leads_to(const unsigned char *code, const void *target)
{
	int32_t distance;

	memcpy(&distance, code, sizeof(distance));
	return code + sizeof(distance) + distance == (const unsigned char *)target;
}

static bool write_distance(unsigned char *code, const void *target)
{
	intptr_t distance = (const unsigned char *)target - (code + 4);
	int32_t narrow = (int32_t)distance;

	if (narrow != distance)
		return false;
	memcpy(code, &narrow, sizeof(narrow));
	return true;
}

/* movabs $uc, %rdi; xor %esi, %esi; call check  ->  cmpl $0, exit(%rbp); jns over; call stub; nop; over: */
static void shorten_check(const struct shortcuts *shortcuts, unsigned char *code)
{
	static const unsigned char start[2] = {0x48, 0xbf}, end[3] = {0x33, 0xf6, 0xe8};
	unsigned char fresh[CHECK_BYTES] = {0x83, 0x7d, (unsigned char)shortcuts->layout->env_exit, 0, 0x79, 11,
					    0xe8, 0, 0, 0, 0, 0x66, 0x0f, 0x1f, 0x44, 0, 0};

	if (memcmp(code, start, 2) || memcmp(code + 2, &shortcuts->engine, 8) || memcmp(code + 10, end, 3) ||
	    !leads_to(code + 13, shortcuts->check))
		return;
	unsigned char before[CHECK_BYTES];
	memcpy(before, code, CHECK_BYTES);
	memcpy(code, fresh, CHECK_BYTES);
	if (!write_distance(code + 7, shortcuts->stubs + CHECK_STUB))
		memcpy(code, before, CHECK_BYTES);
}

/* mov %rbp, %rdi; call look-up; jmp *%rax: the last instructions of a block may be more than once in it. */
static void shorten_jumps(const struct shortcuts *shortcuts, unsigned char *code, size_t size)
{
	static const unsigned char start[4] = {0x48, 0x8b, 0xfd, 0xe8}, end[2] = {0xff, 0xe0};
	unsigned char *limit = code + size;

	for (unsigned char *at = code; limit - at >= JUMP_BYTES; at++) {
		at = memchr(at, end[0], (size_t)(limit - at) - 1);
		if (!at)
			return;
		if (at - code < 8 || at[1] != end[1] || memcmp(at - 8, start, 4))
			continue;
		if (leads_to(at - 4, shortcuts->look_up))
			write_distance(at - 4, shortcuts->stubs + LOOK_UP_STUB);
	}
}

struct uc_tb {
	uint64_t pc;
	uint16_t instructions, size;
};

/* A hook: the block was translated just now and has not run. */
static void on_new_block(uc_engine *engine, struct uc_tb *block, struct uc_tb *before, void *data)
{
	struct shortcuts *shortcuts = data;
	const struct layout *layout = shortcuts->layout;
	uint64_t mixed = block->pc ^ block->pc >> (PAGE_BITS - 6);	/* tb_jmp_cache_hash_func */
	const char *known = (&AT(const char *, shortcuts->env, layout->env_blocks))[(mixed >> 6 & 0xfc0) | (mixed & 0x3f)];

	(void)engine;
	(void)before;
	if (!known || AT(const uint64_t, known, 0) != block->pc)
		return;
	unsigned char *code = AT(unsigned char *const, known, layout->block_code);
	if (!shortcuts->tried)
		place_stubs(shortcuts, code);
	if (!shortcuts->stubs)
		return;
	shorten_check(shortcuts, code);
	shorten_jumps(shortcuts, code, AT(const size_t, known, layout->block_size));
}

/* --- no checks behind loads and stores ------------------------------------------------------------- */

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

static bool divert_checks(void *library, const struct layout *layout)
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
	uintptr_t page = (uintptr_t)slot & -(uintptr_t)STUB_PAGE;
	if (mprotect((void *)page, STUB_PAGE, PROT_READ | PROT_WRITE))
		return false;
	memcpy(&checks.original, &original, sizeof(original));
	checks.layout = layout;
	checks.library = map->l_addr;
	checks.after_hook = map->l_addr + layout->after_hook;
	*slot = (void *)(uintptr_t)emit_check;
	return true;
}

/* --- life ---------------------------------------------------------------------------------------- */

static bool find_helpers(struct shortcuts *shortcuts, const struct uc_api *api)
{
	Dl_info info;

	if (!dladdr((void *)(uintptr_t)api->emu_start, &info))
		return false;
	void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!library)
		return false;
	shortcuts->check = dlsym(library, "helper_check_exit_request_aarch64");
	shortcuts->look_up = dlsym(library, "helper_lookup_tb_ptr_aarch64");
	bool found = shortcuts->check && shortcuts->look_up;
	if (found && divert_checks(library, shortcuts->layout))
		AT(bool, shortcuts->engine, shortcuts->layout->uc_no_checks) = true;
	dlclose(library);
	return found;
}

/* Connects them to engine; answers why they cannot be, NULL if they are. */
static const char *connect_engine(struct shortcuts *shortcuts, uc_engine *engine, const struct uc_api *api)
{
	enum { UC_HOOK_EDGE_GENERATED = 1 << 15 };
	const struct layout *layout = shortcuts->layout;
	size_t hook;

	shortcuts->engine = engine;
	shortcuts->env = AT(char *, engine, layout->uc_cpu) + layout->cpu_env;
	shortcuts->context = AT(const char *, engine, layout->uc_context);
	if (AT(uc_engine *, shortcuts->env, layout->env_uc) != engine)
		return "libunicorn keeps its state elsewhere than its build says";
	if (!find_helpers(shortcuts, api))
		return "libunicorn has no such helpers";
	if (api->hook_add(engine, &hook, UC_HOOK_EDGE_GENERATED, (void *)(uintptr_t)on_new_block, shortcuts, 1, 0))
		return "libunicorn refused the hook for new blocks";
	return NULL;
}

struct shortcuts *shortcuts_create(uc_engine *engine, const struct uc_api *api, const char **why_ret)
{
	if (getenv("UPROBE_DISABLE_SHORTCUTS")) {
		*why_ret = "UPROBE_DISABLE_SHORTCUTS is set";
		return NULL;
	}
	const struct layout *layout = layout_of_library((const void *)(uintptr_t)api->emu_start);
	if (!layout) {
		*why_ret = "this build of libunicorn is not one whose insides are known";
		return NULL;
	}
	struct shortcuts *shortcuts = up_allocate_zeroed(1, sizeof(*shortcuts));
	if (!shortcuts) {
		*why_ret = "out of memory";
		return NULL;
	}
	shortcuts->layout = layout;
	*why_ret = connect_engine(shortcuts, engine, api);
	if (!*why_ret)
		return shortcuts;
	free(shortcuts);
	return NULL;
}

uint64_t shortcuts_registers(const struct shortcuts *shortcuts)
{
	return shortcuts ? (uint64_t)(uintptr_t)(shortcuts->env + shortcuts->layout->env_registers) : 0;
}

/* The engine must not run any more. */
void shortcuts_destroy(struct shortcuts *shortcuts)
{
	if (shortcuts && shortcuts->stubs)
		munmap(shortcuts->stubs, STUB_PAGE);
	free(shortcuts);
}

#else

struct shortcuts *shortcuts_create(uc_engine *engine, const struct uc_api *api, const char **why_ret)
{
	(void)engine;
	(void)api;
	*why_ret = "they are written for x86-64 Linux";
	return NULL;
}

uint64_t shortcuts_registers(const struct shortcuts *shortcuts)
{
	(void)shortcuts;
	return 0;
}

void shortcuts_destroy(struct shortcuts *shortcuts)
{
	(void)shortcuts;
}

#endif
