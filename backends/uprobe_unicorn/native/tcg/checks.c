/* The library's own function that emits checks, reached through its table of calls. */
#include "checks.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include "diverted.h"
#include "shortcuts_state.h"

/*
 * Behind every load and store a block asks whether to stop, which forces all
 * registers into memory.  Nothing needs it here: a refused access ends the run
 * by itself, and a stop from elsewhere can wait for the next block (it has to,
 * the access would be made twice).  The engine has a switch for these checks,
 * but it is also that for the check behind a code hook, which is needed.
 */
static struct {
	const struct layout *layout;
	struct diverted emit;
	uintptr_t after_hook;
} checks;

/* In place of check_exit_request, which emits a check unless the engine's switch is on. */
static __attribute__((noinline)) void emit_check(void *context)
{
	bool *off = &AT(bool, AT(char *, context, checks.layout->context_uc), checks.layout->uc_no_checks), before = *off;
	void (*original)(void *context);

	if ((uintptr_t)__builtin_return_address(0) == checks.after_hook)
		*off = false;
	memcpy(&original, &checks.emit.original, sizeof(original));
	original(context);
	*off = before;
}

bool divert_checks(void *library, const struct layout *layout)
{
	const struct layout *before = checks.layout;

	checks.layout = layout;
	if (!divert_call(&checks.emit, library, "check_exit_request_aarch64", (const void *)(uintptr_t)emit_check)) {
		checks.layout = before;
		return false;
	}
	checks.after_hook = checks.emit.library + layout->after_hook;
	return true;
}

#endif
