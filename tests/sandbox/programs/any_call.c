/* any_call SEED FIRST LAST: system calls of any number with any arguments, chosen by the seed.
 *
 * Batches FIRST to LAST of CALLS calls, each batch in a child of its own that may do to itself what it
 * likes; the parent ends one that hangs. Prints how many calls were made, "survived" when it came to the end.
 * A batch gives the same calls whatever came before it, so one that breaks something can be run alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 200, PAGE = 4096, NUMBERS = 600 };

static uint64_t state;
static volatile uint64_t *made;
static unsigned char *data, *edge, *closed, *text;
static pid_t parent;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545F4914F6CDD1DULL;
}

static uint64_t below(uint64_t limit)
{
	return (any() >> 11) % limit;
}

static const char *const paths[] = {
	".", "..", "/", "/dev/null", "/dev/zero", "/dev/full", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd",
	"/proc/self/fd/0", "/proc/1/mem", "/tmp", "a", "b", "c/d", "fifo", "link", "", "/etc/passwd", "/proc/self/exe",
	"../../../../../../etc/shadow", "/proc/self/root", "/proc/self/cwd/..", "/dev/shm/x", "/sys", "/dev/ptmx",
	"/dev/tty", "/proc/thread-self/ns/net", "/proc/sys/kernel/core_pattern", "/dev/mem",
};
static const uint64_t edges[] = {
	0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 31, 32, 63, 64, 65, 127, 128, 255, 256, 511, 1023, 1024, 4095, 4096, 4097, 65535,
	65536, 0x100000, 0x1000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000, 0x7fffffffffff,
	0xffffffffffff, 0x1000000000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000,
	0xffffffffffffff9c /* AT_FDCWD */, 0xfffffffffffffffe, 0xffffffffffffffff,
};

static uint64_t pointer(void)
{
	switch (below(12)) {
	case 0: return 0;
	case 1: return (uint64_t)edge + PAGE - below(72); /* runs into what is not mapped */
	case 2: return (uint64_t)closed + below(PAGE); /* no access */
	case 3: return (uint64_t)text + below(64); /* read-only */
	case 4: return (uint64_t)paths[below(sizeof paths / sizeof *paths)];
	case 5: return 0xffff000000000000 | any();
	case 6: return (uint64_t)data + below(PAGE); /* misaligned */
	case 7: return ((uint64_t)data + below(PAGE / 8) * 8) | (uint64_t)any() << 56; /* tagged */
	default: return (uint64_t)data + below(2 * PAGE / 8) * 8;
	}
}

static uint64_t value(int at)
{
	uint64_t kind = below(20);

	if (kind < (at == 0 ? 9 : 3))
		return below(18); /* a descriptor, as often as not */
	if (kind < (at == 0 ? 11 : 11))
		return pointer();
	if (kind < 14)
		return edges[below(sizeof edges / sizeof *edges)];
	if (kind < 16)
		return 1ULL << below(64);
	if (kind < 18)
		return any() & any() & 0xffffffff;
	if (kind < 19)
		return below(5000);
	return any();
}

static void fill(void)
{
	uint64_t *words = (uint64_t *)data;

	for (int i = 0; i < 64; i++)
		words[below(3 * PAGE / 8)] = below(3) ? value(1) : below(64);
	for (int i = 0; i < 16; i++)
		((uint32_t *)data)[below(3 * PAGE / 4)] = (uint32_t)value(0);
	for (int i = 0; i < 8; i++)
		((uint16_t *)data)[below(3 * PAGE / 2)] = (uint16_t)below(40);
	for (int i = 0; i < 4; i++) {
		const char *path = paths[below(sizeof paths / sizeof *paths)];
		memcpy(data + below(PAGE), path, strlen(path) + 1);
	}
}

static void nothing(int number)
{
}

static void *at_edge(void)
{
	unsigned char *at = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(at + PAGE, PAGE);
	return at;
}

/* Descriptors 3 to 16 or so, of every kind. */
static void open_all(void)
{
	int ends[2];

	if (!pipe2(ends, O_NONBLOCK))
		(void)!write(ends[1], data, 100);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends);
	socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	eventfd(3, EFD_NONBLOCK);
	timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	epoll_create1(0);
	ftruncate(memfd_create("any", 3), 3 * PAGE);
	open(".", O_RDONLY | O_DIRECTORY);
	open("a", O_RDWR | O_CREAT, 0600);
	open("/proc/self/maps", O_RDONLY);
	open("/dev/zero", O_RDWR);
	syscall(SYS_inotify_init1, O_NONBLOCK);
}

static int is_left_out(long number, const uint64_t *arguments)
{
	switch (number) {
	case SYS_exit:
	case SYS_exit_group:
		return below(20) != 0;
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo: /* everybody, our group (which is our own by now), the parent */
		return (int)arguments[0] == -1 || (int)arguments[0] == parent || (int)arguments[1] == parent;
	case SYS_execve:
	case SYS_execveat:
		return below(10) != 0;
	}
	return 0;
}

static long number_of_call(void)
{
	return below(30) ? (long)below(below(8) ? 300 : 470) : (long)below(NUMBERS);
}

static void batch(uint64_t seed, uint64_t which)
{
	struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = nothing};
	sigset_t none;

	state = (seed * 1000003 + which + 1) * 0x9E3779B97F4A7C15ULL | 1;
	parent = getppid();
	setsid();
	for (int fd = 0; fd < 3; fd++)
		dup2(open("/dev/null", O_RDWR), fd);
	sigemptyset(&none);
	fill();
	open_all();
	for (int i = 0; i < CALLS; i++) {
		uint64_t a[6];
		pid_t me = getpid();
		long number = number_of_call();

		if (!below(4))
			fill();
		for (int j = 0; j < 6; j++)
			a[j] = value(j);
		if (is_left_out(number, a))
			continue;
		++*made;
		sigaction(SIGALRM, &action, 0);
		sigprocmask(SIG_SETMASK, &none, 0);
		setitimer(ITIMER_REAL, &often, 0);
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (getpid() != me || syscall(SYS_gettid) != me)
			syscall(SYS_exit, 0); /* a process or thread that the call has made */
		setitimer(ITIMER_REAL, &never, 0);
	}
}

static int ended_in_time(pid_t child)
{
	struct timespec pause = {0, 2000000};

	for (int i = 0; i < 1500; i++) {
		int status;

		if (waitpid(child, &status, WNOHANG | __WALL) == child)
			return 1;
		nanosleep(&pause, 0);
	}
	return 0;
}

int main(int count, char **arguments)
{
	uint64_t seed = strtoull(arguments[1], 0, 0), hung = 0;

	setvbuf(stdout, 0, _IOLBF, 0);
	made = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	data = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	edge = at_edge();
	closed = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	text = (unsigned char *)main;
	for (int i = 1; i < 65; i++)
		signal(i, i == SIGCHLD ? SIG_DFL : SIG_IGN);
	*made = 0;
	for (uint64_t which = strtoull(arguments[2], 0, 0); which <= strtoull(arguments[3], 0, 0); which++) {
		pid_t child = fork();

		if (!child) {
			batch(seed, which);
			_exit(0);
		}
		if (child > 0 && !ended_in_time(child)) {
			hung++;
			kill(-child, SIGKILL);
			kill(child, SIGKILL);
			waitpid(child, 0, __WALL);
		}
		while (waitpid(-1, 0, WNOHANG | __WALL) > 0)
			;
		/* a batch may have written anything there */
		printf("made %llu\n", (unsigned long long)(*made < CALLS ? *made : CALLS));
		*made = 0;
	}
	printf("%llu batches hung\n", (unsigned long long)hung);
	return 0;
}
