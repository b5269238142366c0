/*
 * sly WHAT [ARG...]: attacks on what runs a program, by what a kernel does for it: memory that it writes and maps,
 * structures that it reads, names that it follows. A line for each that comes to something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };
static int tries;

static void tried(const char *what, long result)
{
	tries++;
	if (result >= 0)
		printf("%s: done\n", what);
}

/* How a child ended that does one thing. */
static int child(void (*act)(char *), char *at)
{
	int status = 0;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		act(at);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	tries++;
	return status;
}

/* --- what a kernel writes for a program, to a page that is not the program's to write ------------------ */

static void answers(char *at)
{
	int ends[2], status, zero = open("/dev/zero", O_RDONLY), here = open(".", O_RDONLY), epoll = epoll_create1(0);
	struct iovec piece = {at, 64};
	struct msghdr head = {.msg_name = at, .msg_namelen = 110, .msg_iov = &piece, .msg_iovlen = 1, .msg_control = at, .msg_controllen = 64};
	struct epoll_event event = {EPOLLIN};
	struct timespec now = {0};

	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	for (int i = 0; i < 8; i++)
		write(ends[0], "HACKHACK", 8);
	epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event);
	tried("read", read(zero, at, 64));
	tried("readv", readv(zero, &piece, 1));
	tried("pread", pread(open("/proc/self/maps", O_RDONLY), at, 64, 0));
	tried("recv", recv(ends[1], at, 64, MSG_DONTWAIT));
	tried("recvmsg", syscall(SYS_recvmsg, ends[1], &head, MSG_DONTWAIT));
	tried("recvmsg into the head", syscall(SYS_recvmsg, ends[1], at, MSG_DONTWAIT));
	tried("recvmmsg", syscall(SYS_recvmmsg, ends[1], at, 1, MSG_DONTWAIT, 0));
	tried("stat", syscall(SYS_newfstatat, AT_FDCWD, ".", at, 0));
	tried("fstat", syscall(SYS_fstat, here, at));
	tried("statx", syscall(SYS_statx, AT_FDCWD, ".", 0, 0xfff, at));
	tried("statfs", syscall(SYS_statfs, ".", at));
	tried("getdents", syscall(SYS_getdents64, here, at, 512));
	tried("readlink", syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", at, 64));
	tried("getcwd", syscall(SYS_getcwd, at, 512));
	tried("getxattr", syscall(SYS_getxattr, ".", "user.x", at, 64));
	tried("uname", syscall(SYS_uname, at));
	tried("times", syscall(SYS_times, at));
	tried("time", syscall(SYS_clock_gettime, 0, at));
	tried("day", syscall(SYS_gettimeofday, at, at));
	tried("resolution", syscall(SYS_clock_getres, 0, at));
	tried("left of a sleep", syscall(SYS_getitimer, 0, at));
	tried("usage", syscall(SYS_getrusage, 0, at));
	tried("limits", syscall(SYS_prlimit64, 0, 3, 0, at));
	tried("information", syscall(SYS_sysinfo, at));
	tried("random", syscall(SYS_getrandom, at, 64, 0));
	tried("groups", getgroups(0, 0) ? syscall(SYS_getgroups, 64, at) : -1);
	tried("ids", syscall(SYS_getresuid, at, at, at));
	tried("name", prctl(PR_GET_NAME, at));
	tried("death", prctl(PR_GET_PDEATHSIG, at));
	tried("mask", syscall(SYS_rt_sigprocmask, 0, 0, at, 8));
	tried("action", syscall(SYS_rt_sigaction, SIGUSR1, 0, at, 8));
	tried("pending", syscall(SYS_rt_sigpending, at, 8));
	tried("stack", syscall(SYS_sigaltstack, 0, at));
	tried("pipe", syscall(SYS_pipe2, at, 0));
	tried("pair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, at));
	tried("own name", syscall(SYS_getsockname, ends[0], at, at));
	tried("option", syscall(SYS_getsockopt, ends[0], 1, 3, at, at));
	tried("events", syscall(SYS_epoll_pwait, epoll, at, 1, 0, 0, 8));
	tried("poll", syscall(SYS_ppoll, at, 1, &now, 0, 8));
	tried("select", syscall(SYS_pselect6, 8, at, 0, 0, &now, 0));
	tried("affinity", syscall(SYS_sched_getaffinity, 0, 64, at));
	tried("cpu", syscall(SYS_getcpu, at, at, 0));
	tried("timer", syscall(SYS_timer_create, 0, 0, at));
	tried("list", syscall(SYS_get_robust_list, 0, at, at));
	tried("resident", syscall(SYS_mincore, at, PAGE, at));
	tried("bytes to read", syscall(SYS_ioctl, ends[1], 0x541b, at));
	tried("set", semctl(semget(IPC_PRIVATE, 4, 0600), 0, GETALL, at));
	tried("segment", shmctl(shmget(IPC_PRIVATE, PAGE, 0600), IPC_STAT, (void *)at));
	tried("queue", msgctl(msgget(IPC_PRIVATE, 0600), IPC_STAT, (void *)at));
	tried("capabilities", syscall(SYS_capget, at, at));
	tried("vm", syscall(SYS_process_vm_readv, getpid(), &piece, 1, &(struct iovec){&status, 4}, 1, 0));
	tried("positions", syscall(SYS_copy_file_range, zero, at, zero, at, 8, 0));
	tried("scheduling", syscall(SYS_sched_getparam, 0, at));
	if (!fork())
		_exit(0);
	tried("wait", syscall(SYS_wait4, -1, at, 0, at));
	tried("siginfo", kill(getpid(), 0) ? 0 : syscall(SYS_rt_sigtimedwait, &(uint64_t){1ull << 16}, at, &now, 8));
}

static void thread_ids(char *at)
{
	syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, at, 0, at + 64);
}

static void cleared_id(char *at)
{
	syscall(SYS_set_tid_address, at);
	syscall(SYS_exit, 0);
}

static void robust(char *at)
{
	static uint64_t head[3], lock[2];

	head[0] = (uint64_t)lock;
	lock[0] = (uint64_t)head;
	*(uint32_t *)&lock[1] = (uint32_t)getpid();
	head[1] = (uint64_t)at - (uint64_t)lock;
	head[2] = (uint64_t)at;
	syscall(SYS_set_robust_list, head, sizeof head);
	syscall(SYS_exit, 0);
}

static void restartable(char *at)
{
	syscall(SYS_rseq, (uint64_t)at & ~31ull, 32, 0, 0x53053053);
	for (int i = 0; i < 4; i++)
		sched_yield();
}

static void caught(int number)
{
}

static void frames(char *at)
{
	stack_t stack = {.ss_sp = at, .ss_size = 2 * PAGE};
	struct sigaction action = {.sa_handler = caught, .sa_flags = SA_ONSTACK};

	if (sigaltstack(&stack, 0))
		stack.ss_sp = at;
	sigaction(SIGUSR1, &action, 0);
	raise(SIGUSR1);
}

static void futexes(char *at)
{
	static const int ops[] = {FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, 13 /* LOCK_PI2 */};
	uint32_t word = 0;

	for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
		tried("a lock", syscall(SYS_futex, at, ops[i], 0, &(struct timespec){0, 1}, 0, 0));
	for (int op = 0; op < 5; op++)
		tried("wake and do", syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, at, FUTEX_OP(op, 0x4b, 0, 0)));
	tried("requeue", syscall(SYS_futex, at, FUTEX_CMP_REQUEUE_PI, 1, 1, &word, 0) > 0 ? 0 : -1);
}

static void stores(char *at)
{
	*(volatile char *)at = 'H';
}

/* Private memory, which a program writes as a file whatever its protection, as a debugger would. */
static int is_private;

static void by_file(char *at)
{
	int memory = open("/proc/self/mem", O_RDWR);

	if (!is_private)
		tried("memory", pwrite(memory, "HACK", 4, (long)at));
	tried("memory of the child", syscall(SYS_process_vm_writev, getppid(), &(struct iovec){"HACK", 4}, 1, &(struct iovec){at, 4}, 1, 0));
}

/* Whether each does what a kernel does where a page may not be written: never the page. */
static void kernel_writes(char *at)
{
	static void (*const ways[])(char *) = {answers, thread_ids, cleared_id, robust, restartable, frames, futexes, stores, by_file};

	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
		int status = child(ways[i], at);
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSEGV && WTERMSIG(status) != SIGBUS)
			printf("way %u: signal %d\n", i, WTERMSIG(status));
	}
}

static void written(const char *path)
{
	char *at = mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, open(path, O_RDONLY), 0);

	kernel_writes(at);
	mkdir("cut", 0700);
	int own = open("cut/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ftruncate(own, 4 * PAGE);
	at = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
	at[0] = 1;
	ftruncate(own, 0);
	kernel_writes(at + PAGE);
	at = mmap(0, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	is_private = 1;
	kernel_writes(at);
	kernel_writes((char *)kernel_writes);
	is_private = 0;
	kernel_writes((char *)(1ul << 48)); /* beyond the address space */
	kernel_writes((char *)-PAGE);
}

/* --- structures that change while they are read --------------------------------------------------------- */

static void flips(void)
{
	struct iovec *pieces = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct msghdr *head = (void *)(pieces + 64);
	static char room[1 << 16];
	int ends[2], zero = open("/dev/zero", O_RDWR), file = open("flip", O_RDWR | O_CREAT | O_TRUNC, 0600);

	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends);
	for (int i = 0; i < 16; i++)
		pieces[i] = (struct iovec){room + i * 64, 64};
	*head = (struct msghdr){.msg_iov = pieces, .msg_iovlen = 16};
	pid_t pid = fork();
	while (!pid)
		for (int i = 0; i < 16; i++) {
			pieces[i] = (struct iovec){(void *)(0x7f0000000000 + i * PAGE), 1ul << 40};
			head->msg_iovlen = 1ul << 60;
			head->msg_controllen = ~0ul;
			head->msg_control = (void *)8;
			sched_yield();
			pieces[i] = (struct iovec){room + i * 64, 64};
			head->msg_iovlen = 16;
			head->msg_controllen = 0;
			head->msg_control = 0;
		}
	for (int i = 0; i < 400; i++) {
		readv(zero, pieces, 16);
		writev(file, pieces, 16);
		preadv(file, pieces, 16, 0);
		syscall(SYS_sendmsg, ends[0], head, 0);
		syscall(SYS_recvmsg, ends[1], head, 0);
		syscall(SYS_process_vm_readv, pid, pieces, 16, pieces, 16, 0);
		tries += 6;
	}
	kill(pid, SIGKILL);
	wait(0);
}

/* --- its own address space ------------------------------------------------------------------------------- */

static void gone(char *at)
{
	syscall(SYS_munmap, 0, 1ul << 48);
}

static void closed(char *at)
{
	for (uint64_t page = 0; page < 1ul << 48; page += 1ul << 44)
		syscall(SYS_mprotect, page, 1ul << 44, 0);
	syscall(SYS_mprotect, 0, 1ul << 48, 0);
	syscall(SYS_mprotect, (uint64_t)closed & ~4095ul, PAGE, 0);
}

static void moved(char *at)
{
	void *stack = (void *)((uint64_t)&at & ~4095ul);

	tried("move over all", (long)mremap(stack, PAGE, 1ul << 47, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)PAGE) == -1 ? -1 : 0);
	mremap(stack, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x100000);
}

static void taken(char *at)
{
	static const uint64_t places[] = {0, PAGE, 0x10000, 0xfffffffff000, 0xffff00000000, 1ul << 47, (1ul << 48) - PAGE, 1ul << 48, -PAGE};

	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		void *got = mmap((void *)places[i], 1 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (got != MAP_FAILED)
			memset(got, 0xff, 1 << 12);
	}
	for (char *page = (char *)((uint64_t)&at & ~4095ul); ; page += PAGE) /* over the vDSO and whatever lies there */
		if (mmap(page, PAGE, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
	clock_gettime(0, (void *)at);
}

static void jumps(char *at)
{
	static const uint64_t places[] = {0, 2, 0xfffffffff000, 1ul << 48, -8, -4, 0x7f0000000000, 0xffff000000000000};

	for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
		if (!fork())
			((void (*)(void))places[i])();
	while (wait(0) > 0)
		;
}

static void space(void)
{
	static void (*const ways[])(char *) = {gone, closed, moved, taken, jumps};
	char *at = mmap(0, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
		child(ways[i], at);
}

/* --- what the emulator does for itself meanwhile ---------------------------------------------------------- */

static void outlives(void)
{
	umask(0777);
	chdir("/");
	for (int fd = 1; fd < 3; fd++) {
		fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND);
		close(fd);
		open("/proc/self/cwd/tmp/stolen", O_RDWR | O_CREAT, 0600);
	}
	prctl(PR_SET_NAME, "a\n\033[31mb");
	signal(SIGPIPE, SIG_IGN);
}

/* Folders above a file that is not the program's, moved away in every way, so that the file would have another name. */
static void moves(char **names)
{
	char to[4096], above[4096];

	for (; *names; names++) {
		snprintf(to, sizeof to, "%s-moved", *names);
		snprintf(above, sizeof above, "%s/..", *names);
		int folder = open(above, O_RDONLY | O_DIRECTORY);
		const char *name = strrchr(*names, '/') ? strrchr(*names, '/') + 1 : *names;
		mkdir(to, 0700);
		tried("exchange", syscall(SYS_renameat2, AT_FDCWD, *names, AT_FDCWD, to, 2));
		tried("exchange by folders", syscall(SYS_renameat2, folder, name, AT_FDCWD, to, 2));
		tried("move over", rename(*names, to));
		rmdir(to);
		tried("move", rename(*names, to));
		tried("move by folders", renameat(folder, name, folder, "moved"));
		tried("move by a folder", renameat(folder, name, AT_FDCWD, to));
		tried("move and leave", syscall(SYS_renameat2, AT_FDCWD, *names, AT_FDCWD, to, 4));
		tried("remove", rmdir(*names));
		if (!chdir(*names))
			tried("move from inside", rename("../../b", "../../c"));
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, 0, _IOLBF, 0);
	if (!strcmp(what, "written"))
		written(argv[2]);
	else if (!strcmp(what, "flips"))
		flips();
	else if (!strcmp(what, "space"))
		space();
	else if (!strcmp(what, "outlives"))
		outlives();
	else if (!strcmp(what, "moves"))
		moves(argv + 2);
	printf("%d tries\n", tries);
	return 0;
}
