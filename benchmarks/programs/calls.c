/* One system call, or a few that belong together, so many times: calls MODE COUNT. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char room[65536];
static long count;
static int file, zero, pipes[2][2];
static volatile uint32_t turn;

static void getpid_(void)
{
	syscall(SYS_getpid);
}

static void clock_(void)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static void read_1(void)
{
	read(zero, room, 1);
}

static void read_4096(void)
{
	pread(file, room, 4096, 0);
}

static void write_1(void)
{
	pwrite(file, room, 1, 0);
}

static void write_4096(void)
{
	pwrite(file, room, 4096, 0);
}

static void open_close(void)
{
	close(open("deep/a/b/c/d/e/f", O_RDONLY));
}

static void stat_deep(void)
{
	struct stat status;
	stat("deep/a/b/c/d/e/f", &status);
}

static void getdents(void)
{
	int fd = open("deep", O_RDONLY | O_DIRECTORY);
	while (syscall(SYS_getdents64, fd, room, sizeof(room)) > 0)
		;
	close(fd);
}

static void pipe_own(void)
{
	write(pipes[0][1], room, 1);
	read(pipes[0][0], room, 1);
}

static void map_unmap(void)
{
	void *place = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)place = 1;
	munmap(place, 16384);
}

static void fork_wait(void)
{
	pid_t child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void *nothing(void *argument)
{
	return argument;
}

static void thread(void)
{
	pthread_t made;
	pthread_create(&made, NULL, nothing, NULL);
	pthread_join(made, NULL);
}

static void epoll_ready(void)
{
	static int set, counter;
	struct epoll_event event = {.events = EPOLLIN};
	if (!set) {
		set = epoll_create1(0);
		counter = eventfd(1, EFD_NONBLOCK);
		epoll_ctl(set, EPOLL_CTL_ADD, counter, &event);
	}
	epoll_wait(set, &event, 1, -1);
}

static void timerfd(void)
{
	static int timer;
	uint64_t expired;
	if (!timer) {
		timer = timerfd_create(CLOCK_MONOTONIC, 0);
		timerfd_settime(timer, 0, &(struct itimerspec){{0, 100000}, {0, 100000}}, NULL);
	}
	read(timer, &expired, sizeof(expired));
}

/* --- two that take turns: the second is a thread or a process -------------------------------------- */

static void futex(int operation, uint32_t value)
{
	syscall(SYS_futex, &turn, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *take_turns(void *mine)
{
	uint32_t seen;

	for (long i = 0; i < count; i++) {
		while ((seen = turn) != (uint32_t)(uintptr_t)mine)
			futex(FUTEX_WAIT, seen);
		turn = !seen;
		futex(FUTEX_WAKE, 1);
	}
	return NULL;
}

static void hand_over(void)
{
	pthread_t other;
	pthread_create(&other, NULL, take_turns, (void *)(uintptr_t)1);
	take_turns((void *)(uintptr_t)0);
	pthread_join(other, NULL);
}

static void ping_pong(void)
{
	if (!fork()) {
		for (long i = 0; i < count; i++)
			write(pipes[1][1], room, read(pipes[0][0], room, 1));
		_exit(0);
	}
	for (long i = 0; i < count; i++) {
		write(pipes[0][1], room, 1);
		read(pipes[1][0], room, 1);
	}
	wait(NULL);
}

static const struct {
	const char *name;
	void (*once)(void), (*all)(void);
} modes[] = {
	{"getpid", getpid_, NULL}, {"clock", clock_, NULL}, {"read1", read_1, NULL}, {"read4096", read_4096, NULL},
	{"write1", write_1, NULL}, {"write4096", write_4096, NULL}, {"open", open_close, NULL}, {"stat", stat_deep, NULL},
	{"getdents", getdents, NULL}, {"pipe", pipe_own, NULL}, {"mmap", map_unmap, NULL}, {"fork", fork_wait, NULL},
	{"thread", thread, NULL}, {"epoll", epoll_ready, NULL}, {"timerfd", timerfd, NULL},
	{"futex", NULL, hand_over}, {"pingpong", NULL, ping_pong},
};

static void prepare(void)
{
	char path[] = "deep/a/b/c/d/e";
	for (char *at = path; (at = strchr(at, '/')); *at++ = '/') {
		*at = 0;
		mkdir(path, 0777);
	}
	mkdir(path, 0777);
	close(open("deep/a/b/c/d/e/f", O_CREAT | O_WRONLY, 0666));
	file = open("data", O_RDWR | O_CREAT, 0666);
	write(file, room, 4096);
	zero = open("/dev/zero", O_RDONLY);
	pipe(pipes[0]);
	pipe(pipes[1]);
}

int main(int argc, char **argv)
{
	count = argc > 2 ? atol(argv[2]) : 0;
	prepare();
	for (size_t i = 0; count && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, argv[1]))
			continue;
		if (modes[i].all)
			modes[i].all();
		for (long n = 0; modes[i].once && n < count; n++)
			modes[i].once();
	}
	return 0;
}
