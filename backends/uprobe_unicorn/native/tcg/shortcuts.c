/* Blocks of translated code changed when they are new; see shortcuts.h. */
#define _GNU_SOURCE
#include "shortcuts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <dlfcn.h>

#include "allocate.h"
#include "builds.h"
#include "checks.h"
#include "rewrite.h"
#include "stubs.h"
#include "tlbs.h"

enum { PAGE_BITS = 12 };

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
	bool found = known && AT(const uint64_t, known, 0) == block->pc;
	unsigned char *code = found ? AT(unsigned char *const, known, layout->block_code) : NULL;
	size_t size = found ? AT(const size_t, known, layout->block_size) : 0;
	if (!found || !count_block(shortcuts, code, size, block->pc, block->instructions))
		shortcuts->uncounted++;
	else
		shorten_jumps(shortcuts, code, size);
}

/* The loaded library, for dlclose; NULL if it cannot be opened once more. */
static void *open_library(const struct uc_api *api)
{
	Dl_info info;

	return dladdr((void *)(uintptr_t)api->emu_start, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

static bool find_helpers(struct shortcuts *shortcuts, void *library)
{
	shortcuts->check = dlsym(library, "helper_check_exit_request_aarch64");
	shortcuts->look_up = dlsym(library, "helper_lookup_tb_ptr_aarch64");
	shortcuts->block_at = dlsym(library, "tcg_tb_lookup_aarch64");
	shortcuts->flush_page = dlsym(library, "tlb_flush_page_aarch64");
	return shortcuts->flush_page && shortcuts->check && shortcuts->look_up && shortcuts->block_at;
}

/* Changes the blocks of the engine from now on; answers why they cannot be changed, NULL if they are. */
static const char *start(struct shortcuts *shortcuts, const struct uc_api *api, void *library)
{
	enum { UC_HOOK_EDGE_GENERATED = 1 << 15 };
	const struct layout *layout = shortcuts->layout;
	uc_engine *engine = shortcuts->engine;
	size_t hook;

	if (AT(uc_engine *, shortcuts->env, layout->env_uc) != engine)
		return "libunicorn keeps its state elsewhere than its build says";
	if (!library || !find_helpers(shortcuts, library))
		return "libunicorn has no such helpers";
	if (!place_stubs(shortcuts, AT(const unsigned char *, shortcuts->context, layout->context_epilogue)))
		return "there is no memory within the reach of translated code";
	if (api->hook_add(engine, &hook, UC_HOOK_EDGE_GENERATED, (void *)(uintptr_t)on_new_block, shortcuts, 1, 0))
		return "libunicorn refused the hook for new blocks";
	/* The hook is called for a block that follows another. */
	const void **last = &AT(const void *, engine, layout->uc_last_block);
	if (!*last)
		*last = shortcuts->no_block;
	if (divert_checks(library, layout))
		AT(bool, engine, layout->uc_no_checks) = true;
	shorten_code_stores(library, layout);
	enlarge_tlb(layout, shortcuts->env);
	return NULL;
}

/* Connects them to engine; answers why they cannot be, NULL if they are. */
static const char *connect_engine(struct shortcuts *shortcuts, uc_engine *engine, const struct uc_api *api,
				  struct work *work)
{
	const struct layout *layout = shortcuts->layout;

	shortcuts->engine = engine;
	shortcuts->work = work;
	shortcuts->env = AT(char *, engine, layout->uc_cpu) + layout->cpu_env;
	shortcuts->context = AT(const char *, engine, layout->uc_context);
	void *library = open_library(api);
	const char *why = start(shortcuts, api, library);
	if (library)
		dlclose(library);
	if (why)
		return why;
	work->left = &AT(volatile int32_t, shortcuts->env, layout->env_left);
	work->end = &AT(uint16_t, shortcuts->env, layout->env_end);
	return NULL;
}

struct shortcuts *shortcuts_create(uc_engine *engine, const struct uc_api *api, struct work *work, const char **why_ret)
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
	*why_ret = connect_engine(shortcuts, engine, api, work);
	if (!*why_ret)
		return shortcuts;
	shortcuts_destroy(shortcuts);
	return NULL;
}

uint64_t shortcuts_registers(const struct shortcuts *shortcuts)
{
	return shortcuts ? (uint64_t)(uintptr_t)(shortcuts->env + shortcuts->layout->env_registers) : 0;
}

bool shortcuts_flush_page(const struct shortcuts *shortcuts, uint64_t address)
{
	void (*flush_page)(void *cpu, uint64_t address);

	if (!shortcuts)
		return false;
	memcpy(&flush_page, &shortcuts->flush_page, sizeof(flush_page));
	flush_page(shortcuts->env - shortcuts->layout->cpu_env, address);
	return true;
}

void shortcuts_before_flush(const struct shortcuts *shortcuts)
{
	if (shortcuts)
		keep_tlb_large(shortcuts->layout, shortcuts->env);
}

uint64_t shortcuts_uncounted(const struct shortcuts *shortcuts)
{
	return shortcuts ? shortcuts->uncounted : 0;
}

bool shortcuts_tally(struct shortcuts *shortcuts, struct tally_keeper *keeper)
{
	const struct layout *layout = shortcuts->layout;

	keeper->tallies = tallies_reserve(AT(const unsigned char *, shortcuts->context, layout->context_epilogue));
	if (!keeper->tallies)
		return false;
	keeper->last = &AT(uint32_t, shortcuts->env, layout->env_left + 4);	/* count_many has no use for it then */
	shortcuts->keeper = keeper;
	return true;
}

/* The engine must not run any more. */
void shortcuts_destroy(struct shortcuts *shortcuts)
{
	if (shortcuts && shortcuts->keeper)
		tallies_release(shortcuts->keeper->tallies);
	if (shortcuts)
		remove_stubs(shortcuts);
	free(shortcuts);
}

#else

struct shortcuts *shortcuts_create(uc_engine *engine, const struct uc_api *api, struct work *work, const char **why_ret)
{
	(void)engine;
	(void)api;
	(void)work;
	*why_ret = "they are written for x86-64 Linux";
	return NULL;
}

uint64_t shortcuts_registers(const struct shortcuts *shortcuts)
{
	(void)shortcuts;
	return 0;
}

bool shortcuts_flush_page(const struct shortcuts *shortcuts, uint64_t address)
{
	(void)shortcuts;
	(void)address;
	return false;
}

void shortcuts_before_flush(const struct shortcuts *shortcuts)
{
	(void)shortcuts;
}

uint64_t shortcuts_uncounted(const struct shortcuts *shortcuts)
{
	(void)shortcuts;
	return 0;
}

bool shortcuts_tally(struct shortcuts *shortcuts, struct tally_keeper *keeper)
{
	(void)shortcuts;
	(void)keeper;
	return false;
}

void shortcuts_destroy(struct shortcuts *shortcuts)
{
	(void)shortcuts;
}

#endif
