/* hold stuck COUNT: so many processes, each in a call that never comes back. hold table WHAT COUNT: so many of one kind. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* --- calls that never come back ---------------------------------------------------------------------------- */

static void stuck_in(int which)
{
	static char block[1 << 20];
	int ends[2], file = open("locked", O_RDWR | O_CREAT, 0600), queue = msgget(IPC_PRIVATE, 0600), set = semget(IPC_PRIVATE, 1, 0600);
	struct flock all = {.l_type = F_WRLCK};
	struct { long type; char text[8]; } message = {1};
	struct sockaddr_un name = {AF_UNIX, "backlog"};
	uint32_t word = 0;

	pipe(ends);
	switch (which) {
	case 0: for (;;) syscall(SYS_sendfile, open("/dev/null", O_WRONLY), open("/dev/zero", O_RDONLY), 0, INT64_MAX);
	case 1: for (;;) syscall(SYS_getrandom, mmap(0, 1ul << 31, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1ul << 31, 0);
	case 2: for (;;) read(open("/dev/zero", O_RDONLY), mmap(0, 1ul << 31, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1ul << 31);
	case 3: for (;;) msgrcv(queue, &message, 8, 0, 0);
	case 4: for (;;) semop(set, &(struct sembuf){0, -1, 0}, 1);
	case 5: mkfifo("never", 0600); for (;;) open("never", O_RDONLY);
	case 6: for (;;) flock(file, LOCK_EX);
	case 7: for (;;) fcntl(file, F_SETLKW, &all);
	case 8: for (;;) syscall(SYS_futex, &word, FUTEX_WAIT, 0, 0, 0, 0);
	case 9: raise(SIGSTOP); for (;;) pause();
	case 10: for (;;) sched_yield();
	case 11: for (;;) read(ends[0], block, 1);
	case 12: for (;;) vfork();
	case 13: bind(ends[0] = socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name); listen(ends[0], 0);
		for (;;) connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name);
	case 14: for (;;) syscall(SYS_clock_nanosleep, 1, 0, &(struct timespec){INT64_MAX, 0}, 0);
	case 15: for (;;) wait4(-1, 0, 0, 0), ppoll(0, 0, 0, 0);
	case 16: for (;;) syscall(SYS_copy_file_range, open("/dev/zero", O_RDONLY), 0, file, 0, INT64_MAX, 0), syscall(SYS_fallocate, file, 0, 0, 1ul << 30);
	case 17: for (;;) madvise(mmap(0, 1ul << 44, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 1ul << 44, 23 /* MADV_POPULATE_WRITE */);
	case 18: { static char *many[1 << 20]; for (int i = 0; i < (1 << 20) - 1; i++) many[i] = "x"; for (;;) execve("/proc/self/exe", many, many); }
	case 19: for (;;) syscall(SYS_process_vm_readv, getpid(), &(struct iovec){block, sizeof block}, 1, &(struct iovec){block, sizeof block}, 1, 0);
	case 20: for (;;) { int m = memfd_create("x", 0); ftruncate(m, 1ul << 40); syscall(SYS_lseek, m, 0, SEEK_DATA); msync(mmap(0, 1ul << 40, 1, MAP_SHARED, m, 0), 1ul << 40, MS_SYNC); close(m); }
	}
}

static void stuck(int count)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, 0);
	for (int i = 0; i < count; i++)
		if (!fork()) {
			setsid();
			stuck_in(i);
			_exit(0);
		}
	puts("all stuck");
	for (;;)
		pause();
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

static long make(const char *what, int i)
{
	static int first = -1, last = -1;
	char name[64];
	struct epoll_event event = {EPOLLIN};

	snprintf(name, sizeof name, "t/%d", i);
	if (!strcmp(what, "watches")) {
		if (first < 0)
			mkdir("t", 0700), first = inotify_init();
		close(open(name, O_CREAT | O_WRONLY, 0600));
		return inotify_add_watch(first, name, IN_ALL_EVENTS);
	}
	if (!strcmp(what, "events")) {
		if (first < 0)
			first = epoll_create1(0);
		return epoll_ctl(first, EPOLL_CTL_ADD, dup(socket(AF_UNIX, SOCK_STREAM, 0)), &event);
	}
	if (!strcmp(what, "nests")) {
		int next = epoll_create1(0);
		long done = last < 0 ? 0 : epoll_ctl(next, EPOLL_CTL_ADD, last, &event);
		last = next;
		return done;
	}
	if (!strcmp(what, "sets"))
		return semget(IPC_PRIVATE, 32000, 0600);
	if (!strcmp(what, "queues")) {
		static struct { long type; char text[8192]; } message = {1};
		int queue = msgget(IPC_PRIVATE, 0600);
		return queue < 0 ? -1 : msgsnd(queue, &message, 8192, IPC_NOWAIT);
	}
	if (!strcmp(what, "segments")) {
		char *at = shmat(shmget(IPC_PRIVATE, 1 << 20, 0600), 0, 0);
		if (at == (void *)-1)
			return -1;
		memset(at, 1, 1 << 20);
		return 0;
	}
	if (!strcmp(what, "signals"))
		return syscall(SYS_rt_sigqueueinfo, getpid(), 40, &(siginfo_t){.si_signo = 40, .si_code = -1});
	if (!strcmp(what, "locks")) {
		if (first < 0)
			first = open("l", O_RDWR | O_CREAT, 0600);
		return fcntl(first, F_SETLK, &(struct flock){.l_type = i & 1 ? F_WRLCK : F_RDLCK, .l_start = 2L * i, .l_len = 1});
	}
	if (!strcmp(what, "flight")) {
		int pair[2];
		char control[CMSG_SPACE(4)] = {0};
		struct msghdr head = {.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *c = CMSG_FIRSTHDR(&head);
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
			return -1;
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(c), last < 0 ? &pair[0] : &last, 4);
		long done = sendmsg(pair[0], &head, MSG_DONTWAIT);
		close(pair[0]);
		if (last >= 0)
			close(last);
		last = pair[1];
		return done;
	}
	if (!strcmp(what, "sparse")) { /* a page in each 2 MiB, and so a page for the host's tables */
		static char *at;
		if (!at)
			at = mmap(0, 1ul << 44, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at == MAP_FAILED)
			return -1;
		at[(uint64_t)i << 21] = 1;
		return 0;
	}
	if (!strcmp(what, "code")) { /* code without an end, each piece executed once */
		static uint32_t *at;
		if (!at)
			at = mmap(0, 1 << 22, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int j = 0; j < (1 << 20) - 1; j++)
			at[j] = j & 31 ? 0x11000400 : 0x14000001; /* add w0, w0, 1; b .+4 */
		at[(1 << 20) - 1] = 0xd65f03c0;
		__builtin___clear_cache((char *)at, (char *)at + (1 << 22));
		((void (*)(void))at)();
		return 0;
	}
	if (!strcmp(what, "names"))
		return prctl(0x53564d41, 0, mmap(0, PAGE, i & 1 ? 1 : 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE, "a name");
	if (!strcmp(what, "datagrams")) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair))
			return -1;
		for (int j = 0; j < 100; j++)
			send(pair[0], "x", 1, 0);
		return 0;
	}
	return -1;
}

static void table(const char *what, int count)
{
	int made = 0;
	struct rlimit most = {1 << 20, 1 << 20};

	signal(40, SIG_DFL);
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, 0);
	setrlimit(RLIMIT_NOFILE, &most);
	while (made < count && make(what, made) >= 0)
		made++;
	printf("%d of %s, %s\n", made, what, made < count ? strerror(errno) : "and more");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!strcmp(argv[1], "stuck"))
		stuck(atoi(argv[2]));
	else
		table(argv[2], atoi(argv[3]));
	return 0;
}
