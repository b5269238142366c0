/*
 * Random calls about the process itself from a seed, between signals, threads, forks and execs: own_signals SEED STEPS.
 *
 * Whoever makes the calls has to print the same lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static volatile uint64_t taken;
static char *plain, *constant;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t bound)
{
	return next() % bound;
}

static void on_signal(int signo)
{
	taken = taken * 67 + (uint64_t)signo;
}

/* Mostly memory to be written to, now and then none, or not to be written to. */
static uint64_t place(void)
{
	switch (below(12)) {
	case 0: return 0;
	case 1: return (uint64_t)constant + below(64);
	case 2: return UINT64_C(0x900000000000) + below(4096);
	case 3: return (uint64_t)plain + 8192 - below(32);
	default: return (uint64_t)plain + 256 * below(16) + below(2);
	}
}

/* None whose default ends us, but now and then any. */
static uint64_t signo(void)
{
	static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGUSR1, SIGUSR2, SIGHUP, 40, 64};

	return below(8) ? (uint64_t)harmless[below(9)] : below(70);
}

static int is_harmless(uint64_t which)
{
	return which == SIGCHLD || which == SIGURG || which == SIGWINCH || which == SIGCONT;
}

/* struct sigaction of the kernel's: a handler that returns, or none where that does not end us. */
static uint64_t action(uint64_t which)
{
	uint64_t *words = (uint64_t *)(plain + 4096);

	if (is_harmless(which) && !below(6))
		return (uint64_t)constant;
	words[0] = below(3) ? (uint64_t)on_signal : is_harmless(which) ? below(2) : 1;
	words[1] = (below(2) ? 0 : SA_RESTART) | (below(2) ? 0 : SA_NODEFER) | (below(8) ? 0 : SA_NOCLDWAIT);
	words[1] |= is_harmless(which) && !below(3) ? 0x80000000u : 0;
	words[2] = next();
	words[3] = below(2) ? next() & next() : 0;
	return (uint64_t)words;
}

static long random_call(int *number)
{
	static const int numbers[] = {SYS_rt_sigaction, SYS_rt_sigaction, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigprocmask,
		SYS_rt_sigpending, SYS_tgkill, SYS_kill, SYS_prlimit64, SYS_prlimit64, SYS_set_robust_list, SYS_get_robust_list,
		SYS_set_tid_address, SYS_rseq, SYS_getpid, SYS_clock_gettime};

	*number = numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
	switch (*number) {
	case SYS_rt_sigaction: {
		uint64_t which = signo(), wanted = below(3) ? action(which) : below(5) ? 0 : UINT64_C(0x900000000000);
		if (which == SIGSEGV || which == SIGBUS)
			wanted = 0;
		return syscall(SYS_rt_sigaction, which | (below(5) ? 0 : next() << 32), wanted, below(2) ? 0 : place(), below(9) ? 8 : 4);
	}
	case SYS_rt_sigprocmask:
		memcpy(plain + 5000, (uint64_t[]){next() & next()}, 8);
		return syscall(SYS_rt_sigprocmask, below(4), below(4) ? (uint64_t)plain + 5000 : 0, below(2) ? 0 : place(), 8);
	case SYS_rt_sigpending:
		return syscall(SYS_rt_sigpending, place(), 8);
	case SYS_kill: case SYS_tgkill: {
		uint64_t which = signo();
		uint64_t now[4] = {0};
		if (syscall(SYS_rt_sigaction, which, 0, now, 8) || (!now[0] && !is_harmless(which)))
			which = 0;
		return *number == SYS_kill ? syscall(SYS_kill, getpid(), which) : syscall(SYS_tgkill, getpid(), gettid(), which);
	}
	case SYS_prlimit64: {	/* none is set that would be in our way */
		uint64_t resource = below(2) ? 3 : below(18), wanted = below(4) ? 0 : below(3) ? (uint64_t)plain + 5100 : place();
		memcpy(plain + 5100, (uint64_t[]){below(9000), 9000}, 16);
		return syscall(SYS_prlimit64, below(3) ? 0 : below(2) ? (uint64_t)getpid() : below(99), wanted && resource < 10 ? 14 : resource,
			       wanted, below(4) ? place() : 0);
	}
	case SYS_set_robust_list:	/* an empty one */
		memcpy(plain + 5200, (uint64_t[]){(uint64_t)plain + 5200, 0, 0}, 24);
		return syscall(SYS_set_robust_list, plain + 5200, below(4) ? 24 : below(30));
	case SYS_get_robust_list:
		return syscall(SYS_get_robust_list, 0, place(), place());
	case SYS_set_tid_address:
		return gettid() == getpid() ? syscall(SYS_set_tid_address, plain + 5300) == gettid() : 0;
	case SYS_rseq:
		return syscall(SYS_rseq, place(), below(64), below(2), 0);
	case SYS_clock_gettime:
		return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, place());
	default:
		return syscall(*number) == getpid();
	}
}

static uint64_t digest(const char *from, size_t size)
{
	uint64_t value = 1469598103934665603u;

	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char)from[i]) * 1099511628211u;
	return value;
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void steps(long count, const char *who)
{
	for (long i = 0; i < count; i++) {
		struct timespec now;
		int number;
		pthread_mutex_lock(&turn);
		errno = 0;
		long result = random_call(&number);
		int error = errno;
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("%s%ld %d=%ld %d %ld.%09ld %lx %lx\n", who, i, number, result, error, (long)now.tv_sec, now.tv_nsec, digest(plain, 8192),
		       taken);
		pthread_mutex_unlock(&turn);
	}
}

static void *other(void *count)
{
	steps((long)count, "t");
	return NULL;
}

/* What the kernel's side knows in the end. */
static void show(void)
{
	uint64_t words[4];

	for (int i = 1; i < 65; i++)
		if (!syscall(SYS_rt_sigaction, i, NULL, words, 8) && words[0])
			printf("%d: %d %lx %lx %lx\n", i, words[0] > 1, words[1], words[2], words[3]);
	for (int i = 0; i < 16; i++)
		if (!syscall(SYS_prlimit64, 0, i, NULL, words))
			printf("limit %d: %lx %lx\n", i, words[0], words[1]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	long count = atol(argv[2]);
	pthread_t thread = 0;
	pid_t child = 0;

	show();		/* what is left behind an exec */
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	plain = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (next() & 1)
		pthread_create(&thread, NULL, other, (void *)count);
	else if (next() & 1)
		child = fork();
	steps(count, child ? "p" : "m");
	if (thread)
		pthread_join(thread, NULL);
	if (child > 0)
		waitpid(child, NULL, 0);
	show();
	if (argc > 3 && child)
		execl("/proc/self/exe", argv[0], argv[3], argv[2], NULL);
	_exit(0);
}
