/* The page of stubs, and the functions that they call. */
#define _GNU_SOURCE
#include "stubs.h"

#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000	/* a hint, for kernels that do not know it */
#endif

enum { AARCH64_STATE = (int)0x80000000, SINGLE_STEP = 0x40000000 };	/* TBFLAG_ANY, in hflags */

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

/* --- when nothing is left --------------------------------------------------------------------- */

typedef void *block_at_function(const char *context, uintptr_t code);

/* The block whose translation code lies in, as at most the start of struct TranslationBlock is known. */
struct block {
	uint64_t pc, cs_base;
	uint32_t flags;
	uint16_t size, instructions;
};

/* A block that returns to code has counted more than was left.  What follows is the check whether to stop. */
static void used_up(struct shortcuts *shortcuts, uintptr_t code)
{
	block_at_function *function;
	const struct block *block;

	if (work_refill(shortcuts->work))
		return;
	memcpy(&function, &shortcuts->block_at, sizeof(function));
	block = function(shortcuts->context, code);
	if (block && !shortcuts->work->is_free(shortcuts->work->context, block->pc))
		work_ask(shortcuts->work, block->pc, block->size);
}

/* --- code within reach --------------------------------------------------------------------- */

enum { STUB_PAGE = 4096, TRIES = 4096 };

/* Writes instructions that end in jmp *address(%rip), the address behind them. */
static void write_stub(unsigned char *at, const unsigned char *start, size_t size, const void *address)
{
	static const unsigned char jump[6] = {0xff, 0x25, 0, 0, 0, 0};

	memcpy(at, start, size);
	memcpy(at + size, jump, sizeof(jump));
	memcpy(at + size + sizeof(jump), &address, sizeof(address));
}

/* The check that blocks made before, called with the same return address, from which PC is worked out. */
static void write_check(const struct shortcuts *shortcuts, unsigned char *at)
{
	unsigned char check[9] = {0x48, 0x8b, 0xbd, 0, 0, 0, 0, 0x31, 0xf6};	/* mov uc(%rbp), %rdi; xor %esi, %esi */

	memcpy(check + 3, &shortcuts->layout->env_uc, 4);
	write_stub(at, check, sizeof(check), shortcuts->check);
}

/* used_up(shortcuts, return address), and then that check. */
static void write_ask(const struct shortcuts *shortcuts, unsigned char *at)
{
	unsigned char ask[30] = {
		0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0,	/* movabs $shortcuts, %rdi */
		0x48, 0x8b, 0x34, 0x24,			/* mov (%rsp), %rsi */
		0x48, 0x83, 0xec, 0x08,			/* sub $8, %rsp */
		0xff, 0x15, 0x1e, 0, 0, 0,		/* call *used_up(%rip), behind the check */
		0x48, 0x83, 0xc4, 0x08,			/* add $8, %rsp */
	};
	const void *function = (const void *)(uintptr_t)used_up;
	enum { SIZE = 28, CHECK_SIZE = 9 + 6 + 8, FUNCTION = SIZE + CHECK_SIZE };
	int32_t distance = FUNCTION - 24;

	memcpy(ask + 2, &shortcuts, 8);
	memcpy(ask + 20, &distance, 4);
	memcpy(at, ask, SIZE);
	write_check(shortcuts, at + SIZE);
	memcpy(at + FUNCTION, &function, sizeof(function));
}

/* Counts a block of many instructions: how many, and where it ends, are in the four bytes before left. */
static void write_many(const struct shortcuts *shortcuts, unsigned char *at)
{
	unsigned char left = (unsigned char)shortcuts->layout->env_left, end = (unsigned char)shortcuts->layout->env_end;
	const unsigned char many[] = {
		0x0f, 0xb7, 0x45, (unsigned char)(left + 4),	/* movzwl left + 4(%rbp), %eax */
		0x0f, 0xb7, 0x4d, (unsigned char)(left + 6),	/* movzwl left + 6(%rbp), %ecx */
		0x66, 0x89, 0x4d, end,				/* mov %cx, end(%rbp) */
		0x29, 0x45, left,				/* sub %eax, left(%rbp) */
		0x0f, 0x88, 0, 0, 0, 0,				/* js ask */
		0xc3,						/* ret */
	};
	int32_t distance = ASK_STUB - (MANY_STUB + 21);

	memcpy(at, many, sizeof(many));
	memcpy(at + 17, &distance, sizeof(distance));
}

static void write_stubs(struct shortcuts *shortcuts, unsigned char *page)
{
	unsigned char argument[10] = {0x48, 0xbe};	/* movabs $shortcuts, %rsi */

	memcpy(argument + 2, &shortcuts, 8);
	write_check(shortcuts, page + CHECK_STUB);
	write_ask(shortcuts, page + ASK_STUB);
	write_many(shortcuts, page + MANY_STUB);
	write_stub(page + LOOK_UP_STUB, argument, sizeof(argument), (const void *)(uintptr_t)look_up);
}

bool place_stubs(struct shortcuts *shortcuts, const unsigned char *code)
{
	uintptr_t near = (uintptr_t)code & -(uintptr_t)STUB_PAGE;
	void *page = MAP_FAILED;

	for (unsigned i = 1; i < TRIES && page == MAP_FAILED; i++)
		page = mmap((void *)(near - i * UINT64_C(65536)), STUB_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (page == MAP_FAILED)
		return false;
	write_stubs(shortcuts, page);
	shortcuts->stubs = page;
	return mprotect(page, STUB_PAGE, PROT_READ | PROT_EXEC) == 0;
}

void remove_stubs(struct shortcuts *shortcuts)
{
	if (shortcuts->stubs)
		munmap(shortcuts->stubs, STUB_PAGE);
	shortcuts->stubs = NULL;
}

#endif
