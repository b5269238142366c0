/* See guard.h. */
#define _GNU_SOURCE
#include "guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/mman.h>

#include "emulator.h"

enum { RANGES = 64, PAGE = 4096 };

static struct { char *base; uint64_t size; } ranges[RANGES];
static struct sigaction before, before_abort;
static _Thread_local sigjmp_buf *way_out;	/* NULL where no emulator runs */
static volatile unsigned pages;

static bool is_guarded(const char *address)
{
	for (unsigned i = 0; i < RANGES; i++)
		if (ranges[i].base && address >= ranges[i].base && address < ranges[i].base + ranges[i].size)
			return true;
	return false;
}

/* Nothing but a system call: it may come anywhere. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	char *address = info->si_addr;
	char *page = address - ((uintptr_t)address & (PAGE - 1));
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	(void)context;
	if (info->si_code > 0 && is_guarded(address) &&
	    mmap(page, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) {
		pages++;
		return;
	}
	sigaction(number, &before, NULL);	/* not ours: the access is made again, and somebody else told */
}

static void on_abort(int number, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (way_out)
		siglongjmp(*way_out, 1);
	sigaction(number, &before_abort, NULL);
	if (before_abort.sa_handler != SIG_DFL && before_abort.sa_handler != SIG_IGN &&
	    !(before_abort.sa_flags & SA_SIGINFO))
		before_abort.sa_handler(number);
}

int guard_start(struct glue *glue, uint64_t pc)
{
	sigjmp_buf here, *outer = way_out;

	if (sigsetjmp(here, 0)) {
		way_out = outer;
		__fpurge(stdout);	/* what it said is not the program's */
		return GUARD_GAVE_UP;
	}
	way_out = &here;
	int status = glue->uc.emu_start(glue->engine_handle, pc, 0, 0, 0);
	way_out = outer;
	return status;
}

static void install(void)
{
	struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	struct sigaction now;

	struct sigaction abort_ours = {.sa_sigaction = on_abort, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (!sigaction(SIGABRT, NULL, &now) && now.sa_sigaction != on_abort) {
		before_abort = now;
		sigaction(SIGABRT, &abort_ours, NULL);
	}
	if (!sigaction(SIGBUS, NULL, &now) && now.sa_sigaction != on_bus_error) {
		before = now;
		sigaction(SIGBUS, &ours, NULL);
	}
}

bool guard_add(char *base, uint64_t size)
{
	for (unsigned i = 0; i < RANGES; i++) {
		if (ranges[i].base)
			continue;
		ranges[i].size = size;
		ranges[i].base = base;
		install();
		return true;
	}
	return false;
}

void guard_remove(const char *base)
{
	for (unsigned i = 0; i < RANGES; i++)
		if (ranges[i].base == base)
			ranges[i].base = NULL;
}

unsigned guard_pages(void)
{
	return pages;
}
