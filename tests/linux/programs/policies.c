/* Scheduling policies as they are set, inherited and shown, by a user without rights. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
	char more[8];
};

static void say(const char *what, long result)
{
	printf("%s: %ld\n", what, result < 0 ? -(long)errno : result);
}

static void show(const char *what, pid_t pid)
{
	struct attributes now = {0};
	struct sched_param parameter = {9};

	say(what, syscall(SYS_sched_getattr, pid, &now, 48, 0));
	printf("  size %u policy %u flags %d nice %d priority %u, %d", now.size, now.policy, (int)now.flags, now.nice,
	       now.priority, (int)syscall(SYS_sched_getscheduler, pid));
	printf(" %d", (int)syscall(SYS_sched_getparam, pid, &parameter));
	printf(" %d\n", parameter.sched_priority);
}

static void set(const char *what, int policy, int nice, int priority, uint64_t flags)
{
	struct attributes one = {.size = 48, .policy = policy, .nice = nice, .priority = priority, .flags = flags};

	say(what, syscall(SYS_sched_setattr, 0, &one, 0));
}

static void deadline(const char *what, uint64_t runtime, uint64_t limit, uint64_t period)
{
	struct attributes one = {.size = 48, .policy = 6, .runtime = runtime, .deadline = limit, .period = period};

	say(what, syscall(SYS_sched_setattr, 0, &one, 0));
}

static void forms(void)
{
	struct attributes one = {.policy = SCHED_BATCH, .nice = 3};

	say("no size", syscall(SYS_sched_setattr, 0, &one, 0));
	one.size = 47;
	say("too small", syscall(SYS_sched_setattr, 0, &one, 0));
	printf("  size %d\n", one.size >= 56);
	one.size = sizeof one;
	say("more of nothing", syscall(SYS_sched_setattr, 0, &one, 0));
	one.size = sizeof one;
	one.more[7] = 1;
	say("more of something", syscall(SYS_sched_setattr, 0, &one, 0));
	one.size = 5000;
	say("too large", syscall(SYS_sched_setattr, 0, &one, 0));
	one.size = 48;
	say("flags", syscall(SYS_sched_setattr, 0, &one, 1));
	say("nothing", syscall(SYS_sched_setattr, 0, 0, 0));
	say("bad", syscall(SYS_sched_setattr, 0, 8, 0));
	say("nobody", syscall(SYS_sched_setattr, 999999, &one, 0));
	say("negative", syscall(SYS_sched_setattr, -1, &one, 0));
	say("get too little", syscall(SYS_sched_getattr, 0, &one, 47, 0));
	say("get too much", syscall(SYS_sched_getattr, 0, &one, 4097, 0));
	say("get nobody", syscall(SYS_sched_getattr, 999999, &one, 48, 0));
	say("get flags", syscall(SYS_sched_getattr, 0, &one, 48, 1));
	say("get more", syscall(SYS_sched_getattr, 0, &one, sizeof one, 0));
	printf("  size %d\n", one.size >= 56);
}

static void *thread(void *first)
{
	struct sched_param none = {0};

	show("a thread", 0);
	say("set the first", syscall(SYS_sched_setscheduler, *(pid_t *)first, SCHED_IDLE, &none));
	show("a thread", 0);
	show("the first", *(pid_t *)first);
	return 0;
}

int main(void)
{
	pthread_t other;
	pid_t first = getpid();
	struct sched_param none = {0}, one = {1};

	if (!getuid() && setresuid(65534, 65534, 65534))
		return 1;
	show("at first", 0);
	set("batch", SCHED_BATCH, 5, 0, 0);
	show("batch", 0);
	set("less nice", SCHED_BATCH, 4, 0, 0);
	set("fifo", SCHED_FIFO, 0, 1, 0);
	set("fifo of nothing", SCHED_FIFO, 0, 0, 0);
	set("a priority", SCHED_OTHER, 19, 1, 0);
	set("a high priority", SCHED_RR, 0, 100, 0);
	set("unknown", 4, 0, 0, 0);
	set("negative", -1, 0, 0, 0);
	set("unknown flag", SCHED_BATCH, 6, 0, 1 << 20);
	set("as it is", SCHED_OTHER, 7, 0, 8);
	show("as it is", 0);
	set("parameters stay", SCHED_OTHER, 0, 0, 16);
	show("parameters stay", 0);
	set("far too nice", SCHED_OTHER, 99, 0, 0);
	show("far too nice", 0);
	deadline("no runtime", 0, 1000000, 1000000);
	deadline("no deadline", 2000, 0, 0);
	deadline("out of order", 2000000, 1000000, 1000000);
	deadline("too short", 2000, 50000, 50000);
	deadline("without right", 100000, 1000000, 1000000);
	forms();
	show("batch", 0);
	say("set a negative policy", syscall(SYS_sched_setscheduler, 0, -1, &none));
	say("set fifo", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &one));
	say("set deadline", syscall(SYS_sched_setscheduler, 0, 6, &none));
	say("set a priority", syscall(SYS_sched_setparam, 0, &one));
	say("set none", syscall(SYS_sched_setparam, 0, &none));
	fflush(stdout);
	if (!fork()) {
		show("in a child", 0);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	pthread_create(&other, 0, thread, &first);
	pthread_join(other, 0);
	show("set by a thread", 0);
	return 0;
}
