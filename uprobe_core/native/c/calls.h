/* Calls whose return is awaited, and the tasks that made them. */
#ifndef UPROBE_CALLS_H
#define UPROBE_CALLS_H

#include "kept.h"

struct up_probe;
struct up_site;
struct up_source;
struct up_told;

/* A call whose return is awaited. */
struct up_call {
	struct up_site *site;
	uint64_t sp, return_address;
	uint64_t entered;	/* ns */
	uint64_t work;		/* instructions that the task had executed */
	uint64_t inside;	/* ns in calls that it made, and that have returned */
	uint64_t followed;	/* bit i: probe i of the site wants its return */
	struct up_kept *kept;	/* NULL if there is nothing */
	struct up_told *told;	/* of calls of the same function in it, what was counted; mostly NULL */
	bool chained;		/* hijack: it shares its frame with the call before it */
	uint32_t again;		/* calls before it in its frame, as far as they are together */
	uint64_t jumps;		/* the task's when it began */
	uint32_t path;		/* of calls that it ends, 0: paths were not followed when it began */
};

struct up_calls {
	struct up_call *items;
	unsigned count, capacity;
};

struct up_task {
	uint32_t pid, tid;
	uint32_t who;
	char comm[UP_COMM];
	unsigned comm_size;
	struct up_calls pending, suspects;
	uint64_t elsewhere;	/* of all executed instructions, those that are not the task's */
	uint64_t stopped;	/* executed instructions when it ran last */
	uint64_t jumps;		/* longjmps so far, and one; 0: they are not seen in its process */
	uint64_t raised;	/* SP where an exception was raised that has not landed; 0: there is none */
	bool used;
};

/* Why a call will not be seen to return, and the words for it. */
enum { UP_MISSED_LONGJMP, UP_MISSED_EXEC, UP_MISSED_EXIT, UP_MISSED_DEPTH, UP_MISSED_NO_CALLER, UP_MISSED_NO_MEMORY,
       UP_MISSED_EXCEPTION, UP_MISSED_KINDS };
#define UP_MISSED_WORDS {"longjmp", "exec", "exit", "depth", "no-caller", "no-memory", "exception"}

bool up_calls_push(struct up_calls *calls, struct up_call call);
void up_calls_take_out(struct up_calls *calls, unsigned index);
/* A call is no longer the one at index of pending: inside ns of what it took were in the call before it. */
void up_calls_pass(struct up_calls *pending, unsigned index, uint64_t inside);
/* The same of a call that did not return: what was in it was in the call before it. */
void up_calls_pass_over(struct up_calls *pending, unsigned index, struct up_call *call);
/* The path has no number: there was no room. */
#define UP_PATH_LOST UINT32_MAX
/* The number of the path of calls that call ends; those that it was made in are the last of pending. */
uint32_t up_path_of(struct up_engine *engine, const struct up_calls *pending, const struct up_call *call);
/* The call will not be seen to return. */
void up_miss(struct up_call *call, int reason);
/* The call returned: its probes' actions and functions outside are run. */
void up_deliver(struct up_engine *engine, const struct up_source *source, struct up_call *call);
/* The same where only how long the call took is wanted. */
void up_deliver_latency(struct up_engine *engine, struct up_call *call);

void up_task_deinit(struct up_task *task);
/* task is the running one from now on. */
void up_task_run(struct up_task *task, struct up_engine *engine);
/* No pending return of task will be seen any more. */
void up_task_abandon(struct up_task *task, int reason);
/* How many returns of probe task is waiting for. */
unsigned up_task_pending(const struct up_task *task, const struct up_probe *probe);
/* task is a copy of parent (fork): its pending calls are its own.  False: out of memory, and it has none. */
bool up_task_inherit(struct up_task *task, const struct up_task *parent, struct up_engine *engine);

#endif
