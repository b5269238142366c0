/* limits WHAT: one way each to hold, fill or break what runs it. Prints what it saw. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 20];

/* Every process forks as long as it can, in sessions of their own, deaf to every signal. */
static void bomb(void)
{
	setsid();
	for (int i = 1; i < 65; i++)
		signal(i, SIG_IGN);
	for (;;)
		fork();
}

static void stuck_write(void)
{
	int ends[2];

	pipe(ends);
	for (;;)
		write(ends[1], block, sizeof block);
}

/* One write that no reader will ever take, by a process that no signal reaches. */
static void stuck_uncaught(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, 0);
	stuck_write();
}

static void far_mincore(void)
{
	char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *there = two + 4095; /* there is room for the answer for one page */
	size_t size = 16ULL << 40;
	void *at = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	munmap(two + 4096, 4096);
	printf("mapped: %d\n", at != MAP_FAILED);
	for (int i = 0; i < 100; i++)
		syscall(SYS_mincore, at, size, there);
	madvise(at, size, MADV_DONTNEED);
	mprotect(at, size, PROT_READ);
	msync(at, size, MS_SYNC);
	puts("came back");
}

static pthread_barrier_t gate;

static void *pass(void *unused)
{
	pthread_barrier_wait(&gate);
	return 0;
}

static void threads(int count)
{
	static pthread_t all[10000];
	pthread_attr_t small;
	int made = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	pthread_barrier_init(&gate, 0, count + 1);
	while (made < count && !pthread_create(&all[made], &small, pass, 0))
		made++;
	if (made == count)
		pthread_barrier_wait(&gate);
	for (int i = 0; made == count && i < made; i++)
		pthread_join(all[i], 0);
	printf("%d threads\n", made);
}

static void far_timers(void)
{
	struct itimerspec far = {{INT64_MAX, 999999999}, {INT64_MAX, 999999999}};
	struct itimerspec often = {{0, 1}, {0, 1}};
	struct timespec ages = {INT64_MAX, 999999999};
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	timer_t timer;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	timer_create(CLOCK_MONOTONIC, &event, &timer);
	printf("far: %d %d\n", timer_settime(timer, 0, &far, 0), timerfd_settime(fd, 0, &far, 0));
	timer_settime(timer, 0, &often, 0);
	timerfd_settime(fd, 0, &often, 0);
	alarm(~0U);
	ualarm(0, 0);
	puts("set");
	fflush(stdout);
	nanosleep(&ages, 0);
}

static void many_timers(int count)
{
	struct itimerspec soon = {{0, 1000}, {1000, 0}};
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	int made = 0;

	for (; made < count; made++) {
		timer_t timer;

		if (timer_create(CLOCK_MONOTONIC, &event, &timer))
			break;
		timer_settime(timer, 0, &soon, 0);
	}
	printf("%d timers, errno %d\n", made, made < count ? errno : 0);
}

/* Fill what a descriptor holds until somebody says no. */
static void fill(const char *what)
{
	long long written = 0;
	int rounds = 0, refused = 0;

	for (; rounds < 20000 && !refused; rounds++) {
		int ends[2] = {-1, -1};

		if (!strcmp(what, "memfd"))
			ends[1] = memfd_create("x", 0);
		else if (!strcmp(what, "shm"))
			ends[1] = open("/dev/shm/fill", O_RDWR | O_CREAT | O_APPEND, 0600);
		else if (!strcmp(what, "tmp"))
			ends[1] = open("/tmp/fill", O_RDWR | O_CREAT | O_APPEND, 0600);
		else if (!strcmp(what, "pipe")) {
			if (!pipe2(ends, O_NONBLOCK))
				fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
		} else if (!strcmp(what, "socket")) {
			int size = 1 << 26;

			if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
				setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		} else if (!strcmp(what, "shared")) {
			void *at = mmap(0, 64 << 20, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

			if (at == MAP_FAILED)
				break;
			memset(at, 1, 64 << 20);
			written += 64 << 20;
			continue;
		}
		if (ends[1] < 0)
			break;
		for (int i = 0; i < 64; i++) {
			ssize_t got = write(ends[1], block, sizeof block);

			if (got <= 0) {
				refused = errno != EAGAIN;
				break;
			}
			written += got;
		}
		if (strcmp(what, "pipe") && strcmp(what, "socket") && strcmp(what, "memfd"))
			close(ends[1]);
	}
	printf("%lld MiB in %d rounds, then %s\n", written >> 20, rounds, strerror(errno));
}

static void jit_alias(void)
{
	/* mov w0, #N; ret */
	uint32_t code[2] = {0x52800000, 0xd65f03c0};
	int fd = memfd_create("jit", 0);
	uint32_t *writes;
	int (*run)(void);
	int right = 0;

	ftruncate(fd, 4096);
	writes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	run = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	for (int i = 0; i < 1000; i++) {
		writes[0] = code[0] | i << 5;
		writes[1] = code[1];
		__builtin___clear_cache((char *)writes, (char *)writes + 8);
		__builtin___clear_cache((char *)run, (char *)run + 8);
		right += run() == i;
	}
	printf("by store: %d of 1000\n", right);
	right = 0;
	for (int i = 0; i < 1000; i++) {
		code[0] = 0x52800000 | i << 5;
		pwrite(fd, code, 8, 0);
		__builtin___clear_cache((char *)run, (char *)run + 8);
		right += run() == i;
	}
	printf("by write: %d of 1000\n", right);
	munmap(writes, 4096);
	writes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	right = 0;
	for (int i = 0; i < 1000; i++) {
		writes[0] = 0x52800000 | i << 5;
		__builtin___clear_cache((char *)run, (char *)run + 8);
		right += run() == i;
	}
	printf("by a later mapping: %d of 1000\n", right);
}

static void truncated(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), status;
	volatile char *at;

	ftruncate(fd, 4 * 4096);
	at = mmap(0, 4 * 4096, 3, MAP_SHARED, fd, 0);
	memset((void *)at, 1, 4 * 4096);
	for (int how = 0; how < 6; how++) {
		pid_t child = fork();

		if (!child) {
			ftruncate(fd, how & 1 ? 4096 : 0);
			if (how < 2)
				at[2 * 4096] = 1;
			else if (how < 4)
				exit(write(1, (void *)(at + 2 * 4096), 10) == 10);
			else
				exit(read(open("/dev/zero", O_RDONLY), (void *)(at + 2 * 4096), 10) == 10);
			_exit(0);
		}
		waitpid(child, &status, 0);
		printf("%d: %x\n", how, status);
		ftruncate(fd, 4 * 4096);
	}
}

static sigjmp_buf again;

static void go_on(int number)
{
	siglongjmp(again, 1);
}

/* A child makes the file long and short while its parent stores to it, by itself and through read(2). */
static void truncated_meanwhile(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), zero = open("/dev/zero", O_RDONLY);
	volatile char *at;

	signal(SIGBUS, go_on);
	ftruncate(fd, 64 * 4096);
	at = mmap(0, 64 * 4096, 3, MAP_SHARED, fd, 0);
	if (!fork()) {
		for (int i = 0; i < 4000; i++) {
			ftruncate(fd, 0);
			ftruncate(fd, 64 * 4096);
		}
		_exit(0);
	}
	sigsetjmp(again, 1);
	for (int round = 0; waitpid(-1, 0, WNOHANG) == 0; round++) {
		for (int i = 0; i < 200000; i++)
			at[i * 4096 % (64 * 4096)] = 1;
		read(zero, (void *)at, 64 * 4096);
	}
	puts("came to the end");
}

static void truncates_itself(char **arguments)
{
	int fd = open(arguments[0], O_WRONLY);

	printf("open: %d\n", fd >= 0 ? 0 : errno);
	printf("truncate: %d\n", truncate(arguments[0], 0) ? errno : 0);
	fflush(stdout);
	execv(arguments[0], (char *[]){arguments[0], "nothing", 0});
	printf("exec: %d\n", errno);
}

static void descriptors(int count)
{
	int opened = 0;
	struct rlimit limit = {count + 10, count + 10};

	setrlimit(RLIMIT_NOFILE, &limit);
	while (opened < count && eventfd(0, 0) >= 0)
		opened++;
	printf("%d descriptors, errno %d\n", opened, opened < count ? errno : 0);
}

static void fifo_in(const char *path)
{
	printf("%d\n", open(path, O_RDONLY | O_NONBLOCK) < 0 ? errno : 0);
	printf("%d\n", open(path, O_RDONLY) < 0 ? errno : 0);
}

static void many_mappings(int count)
{
	char *at = mmap(0, count * 8192UL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int made = 0;

	while (made < count && !mprotect(at + made * 8192UL, 4096, made & 1 ? PROT_READ : PROT_READ | PROT_WRITE))
		made++;
	printf("%d mappings, errno %d\n", made, made < count ? errno : 0);
}

static void wait_for_ever(void)
{
	for (int i = 0; i < 3; i++)
		if (!fork())
			for (;;)
				if (i & 1)
					pause();
	for (;;)
		pause();
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "nothing";
	const char *more = count > 2 ? arguments[2] : "2000";

	setvbuf(stdout, 0, _IOLBF, 0);
	if (!strcmp(what, "bomb"))
		bomb();
	else if (!strcmp(what, "stuck_write"))
		stuck_write();
	else if (!strcmp(what, "stuck_uncaught"))
		stuck_uncaught();
	else if (!strcmp(what, "mincore"))
		far_mincore();
	else if (!strcmp(what, "threads"))
		threads(atoi(more));
	else if (!strcmp(what, "far_timers"))
		far_timers();
	else if (!strcmp(what, "many_timers"))
		many_timers(atoi(more));
	else if (!strcmp(what, "fill"))
		fill(more);
	else if (!strcmp(what, "jit_alias"))
		jit_alias();
	else if (!strcmp(what, "truncated"))
		truncated(more);
	else if (!strcmp(what, "truncated_meanwhile"))
		truncated_meanwhile(more);
	else if (!strcmp(what, "truncates_itself"))
		truncates_itself(arguments);
	else if (!strcmp(what, "descriptors"))
		descriptors(atoi(more));
	else if (!strcmp(what, "fifo"))
		fifo_in(more);
	else if (!strcmp(what, "mappings"))
		many_mappings(atoi(more));
	else if (!strcmp(what, "wait"))
		wait_for_ever();
	else
		puts("nothing");
	return 0;
}
