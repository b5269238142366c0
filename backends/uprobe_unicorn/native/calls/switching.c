/* From one thread to another (uprobe_linux.runner; switch_to of uprobe_linux.machine). */
#include "switching.h"

#include "emulator.h"
#include "own_calls.h"

enum { LOOK_AHEAD = 12 };

/* Whether words reach a store-exclusive before a new beginning (uprobe_linux.scheduling.exclusives, Arm ARM B2.9.5). */
static bool ends_exclusive(const uint32_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t word = words[i];
		if ((word & 0x3f800000) == 0x08000000 && (word & 0x80200000) != 0x00200000)
			return !(word >> 22 & 1);
		if (word >> 26 == 5 || word >> 25 == 0x6b || (word & 0xffe0001f) == 0xd4000001)
			return false;
	}
	return false;
}

static bool in_exclusive_sequence(struct glue *glue, uint64_t pc)
{
	uint32_t words[LOOK_AHEAD];
	size_t size = glue_read(glue, pc, words, sizeof(words));

	return ends_exclusive(words, size / sizeof(*words));
}

/* The registers and what belongs to a thread change: as LinuxMachine.switch_to and Places. */
static void switch_to(struct glue *glue, unsigned number)
{
	struct calls *calls = glue->calls;
	struct threads *threads = &calls->threads;
	struct thread *before = &threads->items[threads->current], *thread = &threads->items[number];
	const uint64_t executed = glue->work.seen;

	before->blocked = calls->blocked;
	before->stopped = executed;
	glue->uc.context_save(glue->engine_handle, before->context);
	thread->elsewhere += executed - thread->stopped;
	glue->uc.context_restore(glue->engine_handle, thread->context);
	calls->tid = thread->tid;
	calls->blocked = thread->blocked;
	calls->pending = thread->pending;
	threads->current = number;
	if (!glue->engine)
		return;
	glue->engine->work = executed;
	if (thread->task)
		glue->api->task_run(thread->task, glue->engine);
}

static bool may_go_on(const struct glue *glue, int status)
{
	return !status && glue->calls && glue->calls->on && glue->calls->threads.on && !glue->stop &&
	       (glue->event == GLUE_SLICE || glue->event == GLUE_CALLED) && !glue->refused && !glue->wanted_count;
}

bool threads_go_on(struct glue *glue, int status, uint64_t *pc_ret, uint64_t *target_ret)
{
	if (!may_go_on(glue, status))
		return false;
	struct calls *calls = glue->calls;
	struct threads *threads = &calls->threads;
	const uint64_t executed = glue->work.seen, base = calls->monotonic + calls->passed, now = base + executed;
	bool stays = glue->event == GLUE_SLICE && threads->grace && in_exclusive_sequence(glue, glue_reg(glue, GLUE_PC));
	if (stays) {
		threads->grace--;
	} else {
		int next = threads_turn(threads, now);
		if (next == THREAD_NONE)
			return false;
		threads->grace = THREAD_GRACE;
		if ((unsigned)next != threads->current)
			switch_to(glue, (unsigned)next);
	}
	uint64_t end = calls->look_at = threads_look_at(threads);
	*pc_ret = glue_reg(glue, GLUE_PC);
	*target_ret = end == UINT64_MAX ? end : end > now ? end - base : executed ? executed - 1 : 0;
	return true;
}
