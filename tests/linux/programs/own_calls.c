/*
 * Random system calls from a seed: own_calls SEED STEPS.
 *
 * After each call a line says what it answered, what time it was, and what became of memory, registers and
 * signals.  Whoever makes the calls has to print the same lines.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;
static volatile int alarms;
static char *plain, *edge, *constant, *code, *shared;
static int fds[24], fd_count;
static struct {
	char *start;
	uint64_t size;
	int plain;
} maps[6];
static uint32_t word;

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

struct answer {
	long result;
	uint64_t kept;
};

/* A raw call: what it answers, and whether it has left the other registers alone. */
static struct answer call(long number, const uint64_t *args)
{
	register uint64_t x0 __asm__("x0") = args[0], x1 __asm__("x1") = args[1], x2 __asm__("x2") = args[2];
	register uint64_t x3 __asm__("x3") = args[3], x4 __asm__("x4") = args[4], x5 __asm__("x5") = args[5];
	register uint64_t x8 __asm__("x8") = (uint64_t)number;

	__asm__ volatile("svc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x8) : : "memory", "cc");
	return (struct answer){(long)x0, x1 ^ x2 * 3 ^ x3 * 5 ^ x4 * 7 ^ x5 * 11 ^ x8 * 13};
}

static uint64_t digest(const char *from, size_t size)
{
	uint64_t value = 1469598103934665603u;

	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char)from[i]) * 1099511628211u;
	return value;
}

/* Somewhere: mostly memory, now and then what is none, or no plain one. */
static uint64_t place(void)
{
	uint64_t tag = below(8) ? 0 : next() << 56;

	switch (below(12)) {
	case 0: return 0;
	case 1: return (uint64_t)(edge + 4096 - below(40)) | tag;
	case 2: return (uint64_t)(constant + below(64)) | tag;
	case 3: return (uint64_t)(code + 8 + below(64)) | tag;
	case 4: return UINT64_C(0x900000000000) + below(4096);
	case 5: return (uint64_t)(shared + below(4096)) | tag;
	case 6: return next();
	default: return (uint64_t)(plain + below(8192)) | tag;
	}
}

static uint64_t size(void)
{
	static const uint64_t sizes[] = {0, 1, 2, 8, 24, 100, 128, 512, 4096, 4097, 9000, 1 << 20, 0x7ffff001, UINT64_MAX};

	return below(3) ? below(300) : sizes[below(sizeof(sizes) / sizeof(sizes[0]))];
}

static uint64_t fd(void)
{
	if (!below(10))
		return below(2) ? below(100) + 20 : -below(20);
	return (uint64_t)fds[below((uint64_t)fd_count)] | (below(5) ? 0 : next() << 32);
}

/* A path, nearly always: of what is there, of what may be, of what leads elsewhere. */
static uint64_t path(char *room)
{
	static const char *const paths[] = {"x", "y", "z", "/tmp/x", "/tmp/z", "/", "", "..", "link", "no", "sub/x", "sub/y", "./sub/../x",
		"sub/", "sub", "sub/z", "new", "new/x", "/tmp/new", "x/", "link/", "/tmp/sub/../y", ".", "./x", "sub//x", "/proc/self/status",
		"/proc", "/etc", "//tmp//x", "new/.", "sub/..", "way/x", "way", "way/", "/tmp/way/up", "sub/up", "sub//far", "sub/far/",
		"sub/far/x", "round/x", "none", "made/self/status", "/tmp/way/./far/../x"};

	strcpy(room, paths[below(sizeof(paths) / sizeof(paths[0]))]);
	return below(20) ? (uint64_t)room : place();
}

static uint64_t folder(void)
{
	return below(3) ? (uint64_t)-100 : fd();
}

static int random_call(uint64_t *args)
{
	static const int numbers[] = {SYS_read, SYS_read, SYS_write, SYS_write, SYS_readv, SYS_writev, SYS_pread64,
		SYS_pwrite64, SYS_lseek, SYS_fstat, SYS_getdents64, SYS_getpid, SYS_gettid, SYS_clock_gettime,
		SYS_gettimeofday, SYS_rt_sigprocmask, SYS_futex, SYS_epoll_pwait, SYS_ppoll, SYS_sched_yield, SYS_fcntl,
		SYS_dup, SYS_close, SYS_setitimer, SYS_ftruncate, SYS_epoll_ctl, SYS_brk, SYS_newfstatat, SYS_openat,
		SYS_openat, SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_readlinkat, SYS_mkdirat, SYS_unlinkat, SYS_symlinkat,
		SYS_linkat, SYS_renameat2, SYS_fcntl, SYS_dup3, SYS_mmap, SYS_mmap, SYS_mmap, SYS_munmap, SYS_munmap};
	int number = numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
	uint64_t *vector = (uint64_t *)(plain + 8192);

	for (int i = 0; i < 6; i++)
		args[i] = below(4) ? below(16) : next();
	switch (number) {
	case SYS_read: case SYS_write:
		args[0] = fd(), args[1] = place(), args[2] = size();
		break;
	case SYS_readv: case SYS_writev:
		for (int i = 0; i < 20; i++)
			vector[2 * i] = place(), vector[2 * i + 1] = below(3) ? below(100) : size();
		args[0] = fd(), args[1] = below(8) ? (uint64_t)vector : place(), args[2] = below(8) ? below(5) : below(20);
		break;
	case SYS_pread64: case SYS_pwrite64:
		args[0] = fd(), args[1] = place(), args[2] = size(), args[3] = below(8) ? below(10000) : next();
		break;
	case SYS_lseek:
		args[0] = fd(), args[1] = below(4) ? below(10000) : next(), args[2] = below(6);
		break;
	case SYS_fstat: case SYS_dup: case SYS_ftruncate:
		args[0] = fd(), args[1] = number == SYS_ftruncate ? below(5000) : place();
		break;
	case SYS_getdents64:
		args[0] = fd(), args[1] = below(4) ? place() : (uint64_t)maps[below(6)].start, args[2] = size();
		break;
	case SYS_clock_gettime:
		args[0] = below(14), args[1] = place();
		break;
	case SYS_gettimeofday:
		args[0] = place(), args[1] = below(3) ? 0 : place();
		break;
	case SYS_rt_sigprocmask:
		args[0] = below(4), args[1] = below(3) ? place() : 0, args[2] = below(2) ? place() : 0, args[3] = below(9) ? 8 : 4;
		break;
	case SYS_futex:	/* never a wait that nothing ends */
		args[0] = below(6) ? (uint64_t)&word : place(), args[1] = (below(2) ? 1 : below(2) ? 10 : 0) | (below(2) ? 128 : 0);
		args[2] = args[1] & 1 || args[1] & 8 ? below(3) : word + 1, args[3] = below(2) ? 0 : (uint64_t)(plain + 9000);
		break;
	case SYS_epoll_pwait:
		args[0] = fd(), args[1] = place(), args[2] = below(70), args[3] = below(2), args[4] = below(5) ? 0 : place();
		args[5] = 8;
		break;
	case SYS_ppoll:
		for (int i = 0; i < 4; i++)
			vector[i] = (uint32_t)fd() | below(0x20) << 32;
		vector[8] = 0, vector[9] = below(3) ? 0 : below(1000);
		args[0] = below(8) ? (uint64_t)vector : place(), args[1] = below(6), args[2] = (uint64_t)(vector + 8), args[3] = 0;
		break;
	case SYS_fcntl:
		args[0] = fd(), args[1] = below(4) ? below(5) : F_DUPFD_CLOEXEC;
		args[2] = args[1] == F_SETFL ? O_NONBLOCK : below(args[1] == F_SETFD ? 3 : 30);
		break;
	case SYS_close:
		args[0] = below(4) ? 90 + below(10) : (uint64_t)fds[below((uint64_t)fd_count)];
		break;
	case SYS_setitimer:
		memcpy(plain + 9100, (uint64_t[]){0, below(25) * 16, 0, below(400)}, 32);	/* longer than its handler takes */
		args[0] = 0, args[1] = (uint64_t)(plain + 9100), args[2] = below(2) ? 0 : place();
		break;
	case SYS_epoll_ctl:
		args[0] = fd(), args[1] = 1 + below(3), args[2] = fd(), args[3] = (uint64_t)plain;
		break;
	case SYS_brk:
		args[0] = below(2) ? 0 : next();
		break;
	case SYS_newfstatat: case SYS_openat:
		args[0] = folder(), args[1] = path(plain + 9200), args[2] = place();
		args[3] = below(3) ? below(2) << 8 : below(2) ? 0x1000 : next();
		if (number == SYS_openat)
			args[2] = below(4) | (below(3) ? 0 : 0100) | (below(6) ? 0 : 0200) | (below(4) ? 0 : 040000) |
				  (below(4) ? 0 : 0100000) | (below(2) ? 0 : 02000000) | (below(9) ? 0 : 02000) | (below(3) ? 0 : 01000) | 04000;
		break;
	case SYS_statx:
		args[0] = folder(), args[1] = path(plain + 9200), args[2] = below(3) ? below(2) << 8 : below(0x2000);
		args[3] = below(4) ? 0x7ff : next(), args[4] = place();
		break;
	case SYS_faccessat: case SYS_mkdirat: case SYS_unlinkat:
		args[0] = folder(), args[1] = path(plain + 9200);
		args[2] = number == SYS_unlinkat ? below(2) << 9 : number == SYS_mkdirat ? 0777 : below(9);
		break;
	case SYS_readlinkat:
		args[0] = folder(), args[1] = path(plain + 9200), args[2] = place(), args[3] = size();
		break;
	case SYS_symlinkat:
		args[0] = path(plain + 9200), args[1] = folder(), args[2] = path(plain + 9300);
		break;
	case SYS_linkat: case SYS_renameat2:
		args[0] = folder(), args[1] = path(plain + 9200), args[2] = folder(), args[3] = path(plain + 9300);
		args[4] = below(3) ? 0 : below(5);
		break;
	case SYS_mmap:
		args[0] = below(8) ? 0 : (uint64_t)plain + below(2) * 4096, args[1] = below(3) ? below(9000) : below(2) ? below(300000) : size();
		args[2] = below(3) ? 1 + below(2) * 2 : below(8), args[3] = below(2) ? 2 : below(4) ? 0x22 : 0x22 | below(2) << 14 | below(2) << 17;
		args[4] = fd(), args[5] = below(3) ? 0 : below(3) * 4096 + !below(8);
		break;
	case SYS_munmap: {
		int i = (int)below(6);
		args[0] = below(12) ? (uint64_t)maps[i].start : place(), args[1] = below(8) ? maps[i].size : size();
		if (!maps[i].size || args[1] >> 20)	/* nothing that we need */
			args[0] = (uint64_t)maps[i].start, args[1] = maps[i].size;
		break;
	}
	case SYS_dup3:
		args[0] = fd(), args[1] = 64 + below(8), args[2] = below(2) ? 0 : 02000000;
		break;
	}
	return number;
}

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

/* What was mapped is looked at by us and by a call, and kept for a while. */
static void mapped(const uint64_t *args, uint64_t start)
{
	int i = (int)below(6);

	if (maps[i].size || args[0])
		return;
	maps[i].start = (char *)start, maps[i].size = args[1], maps[i].plain = args[3] & 0x20 && (args[2] & 3) == 3;
	if (maps[i].plain && args[1] < 1 << 20) {
		for (uint64_t at = 0; at < args[1]; at += 4096)
			state += (uint64_t)maps[i].start[at], maps[i].start[at] = (char)at;
		maps[i].start[args[1] - 1]++;
	}
	if (below(2))
		state ^= (uint64_t)pwrite(fds[2], maps[i].start, args[1] < 5000 ? args[1] : 5000, (off_t)below(100));
}

static void unmapped(const uint64_t *args)
{
	for (int i = 0; i < 6; i++)
		if (maps[i].size && args[0] < (uint64_t)maps[i].start + maps[i].size && args[0] + args[1] > (uint64_t)maps[i].start)
			maps[i].size = 0;
}

/* Code that lies beside what calls write to: mov w0, #n; ret. */
static int run_code(void)
{
	return ((int (*)(void))(void *)code)();
}

static void step(int number, const char *who)
{
	uint64_t args[6];
	int which = random_call(args);
	struct timespec now;
	struct answer answer;

	if (!below(20)) {
		uint32_t words[2] = {0x52800000u | (uint32_t)below(65536) << 5, 0xd65f03c0u};
		memcpy(code, words, 8);
		__builtin___clear_cache(code, code + 8);
	}
	answer = call(which, args);
	if (which == SYS_mmap && answer.result > 0)
		mapped(args, (uint64_t)answer.result);
	if (which == SYS_munmap && !answer.result)
		unmapped(args);
	if ((which == SYS_dup || which == SYS_openat || which == SYS_fcntl) && answer.result > 60)
		close((int)answer.result);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (which == SYS_fstat || which == SYS_newfstatat || which == SYS_statx || which == SYS_getdents64)	/* some of it is the host's */
		memset(plain, 0, 16384), memset(edge, 0, 4096), memset(shared, 0, 4096), memset(code + 8, 0, 4088);
	printf("%s%d %d(%d %d %d)=%ld %lx %ld.%09ld %lx %d %d\n", who, number, which, (int)args[0], (int)args[1], (int)args[2],
	       answer.result, answer.kept ^ (args[1] ^ args[2] * 3 ^ args[3] * 5 ^ args[4] * 7 ^ args[5] * 11 ^ (uint64_t)which * 13),
	       (long)now.tv_sec, now.tv_nsec, digest(plain, 16384) ^ digest(shared, 4096) ^ digest(edge, 4096), alarms,
	       run_code());
	memset(plain, number, 64);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void *other(void *steps)
{
	for (long i = 0; i < (long)steps; i++) {
		pthread_mutex_lock(&turn);
		step((int)i, "t");
		pthread_mutex_unlock(&turn);
	}
	return NULL;
}

/* With nothing before and behind it. */
static void *memory(size_t size, int protection, int flags)
{
	char *all = mmap(NULL, size + 131072, protection, flags | MAP_ANONYMOUS, -1, 0);

	munmap(all, 65536);
	munmap(all + 65536 + size, 65536);
	return all + 65536;
}

static void keep(int fd)
{
	if (fd >= 0)
		fds[fd_count++] = fd;
}

static void open_some(void)
{
	int ends[2];

	mkdir("/tmp/sub", 0777), chdir("/tmp"), symlink("x", "link"), symlink("sub", "way"), symlink("..//x", "sub/up");
	symlink("/tmp/way", "sub/far"), symlink("round", "round"), symlink("no/thing", "none"), symlink("/proc", "made");
	for (const char *const *name = (const char *const[]){"/tmp/x", "/tmp/sub/x", "/tmp/y", NULL}; *name; name++)
		keep(open(*name, O_RDWR | O_CREAT, 0666));
	keep(open("/tmp/x", O_RDONLY)), keep(open("/tmp/y", O_WRONLY | O_APPEND)), keep(open("/tmp/x", O_PATH));
	keep(open("/dev/zero", O_RDWR)), keep(open("/dev/null", O_WRONLY)), keep(open("/dev/urandom", O_RDONLY));
	keep(open("/proc/self/status", O_RDONLY)), keep(open("/tmp", O_RDONLY)), keep(open("/", O_RDONLY));
	pipe2(ends, O_NONBLOCK), keep(ends[0]), keep(ends[1]);
	keep(eventfd(3, EFD_NONBLOCK)), keep(epoll_create1(0));
	write(fds[0], "some text that is there to be read", 34);
}

/* Addresses, permissions and offsets. */
static void show_maps(void)
{
	char line[400], range[64], perms[8], offset[32];
	FILE *file = fopen("/proc/self/maps", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %7s %31s", range, perms, offset) == 3)
			printf("%s %s %s\n", range, perms, offset);
}

int main(int argc, char **argv)
{
	long steps = argc > 2 ? atol(argv[2]) : 200;
	pthread_t thread = 0;
	pid_t child = 0;
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	plain = memory(16384, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	edge = memory(8192, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	munmap(edge + 4096, 4096);
	constant = memory(4096, PROT_READ, MAP_PRIVATE);
	code = memory(4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
	memcpy(code, (uint32_t[]){0x52800020u, 0xd65f03c0u}, 8);
	shared = next() % 2 ? memory(4096, PROT_READ | PROT_WRITE, MAP_SHARED) : memory(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	signal(SIGALRM, on_alarm);
	signal(SIGPIPE, SIG_IGN);
	open_some();
	switch (next() % 3) {
	case 0:
		pthread_create(&thread, NULL, other, (void *)steps);
		break;
	case 1:
		fflush(stdout);
		child = fork();
		state += child == 0;
	}
	for (long i = 0; i < steps; i++) {
		pthread_mutex_lock(&turn);
		step((int)i, child ? "p" : "m");
		pthread_mutex_unlock(&turn);
	}
	if (thread)
		pthread_join(thread, NULL);
	if (child > 0)
		waitpid(child, NULL, 0);
	fflush(stdout);
	for (int fd = 3; fd < 100; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d: %d %x\n", fd, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
	show_maps();
	return 0;
}
