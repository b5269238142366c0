/*
 * Calls whose arguments point to something, each as a plain system call, between two calls that mark begin and end.
 * tests/tracing/test_pointed.py compares what -S shows of them with what strace wrote of them on the host.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOWHERE ((void *)0x10)
static char page[4096] __attribute__((aligned(4096)));

static void mark(const char *name)
{
	syscall(SYS_openat, AT_FDCWD, name, 0, 0);
}

static void buffers(int null)
{
	static const char odd[] = "\"\\\a\b\t\n\v\f\r\033\0001\0019\3778\177 ~\200";
	char text[64], long_text[40];
	int pipes[2], flat[2];

	memset(long_text, 'x', sizeof long_text);
	syscall(SYS_write, null, "hello\n", 6);
	syscall(SYS_write, null, odd, sizeof odd);
	syscall(SYS_write, null, long_text, 32);
	syscall(SYS_write, null, long_text, 33);
	syscall(SYS_write, null, "", 0);
	syscall(SYS_write, null, 0, 0);
	syscall(SYS_write, 77, NOWHERE, 5);
	syscall(SYS_write, 77, NOWHERE, 0);
	syscall(SYS_write, 77, 0, 5);
	syscall(SYS_pipe2, pipes, O_NONBLOCK);
	syscall(SYS_pipe2, NOWHERE, 0);
	syscall(SYS_read, pipes[0], text, 5);
	syscall(SYS_write, pipes[1], long_text, 40);
	syscall(SYS_read, pipes[0], text, 5);
	syscall(SYS_read, pipes[0], text, 64);
	syscall(SYS_pread64, null, text, 5, 0L);
	syscall(SYS_pwrite64, null, "at", 2, 3L);
	syscall(SYS_readlinkat, AT_FDCWD, "link", text, 64);
	syscall(SYS_readlinkat, AT_FDCWD, "none", text, 64);
	syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, flat);
	syscall(SYS_sendto, flat[0], "abc", 3, 0, 0, 0);
	syscall(SYS_recvfrom, flat[1], text, 3, 0, 0, 0);
}

static void vectors(int null)
{
	char first[4], second[40];
	struct iovec give[] = {{"one", 3}, {0, 0}, {"two, which is much longer than that", 35}};
	struct iovec bad[] = {{NOWHERE, 3}, {"x", 1}};
	struct iovec take[] = {{first, 4}, {second, 40}};
	struct iovec many[34];
	int pipes[2], n;

	for (n = 0; n < 34; n++)
		many[n] = (struct iovec){"m", 1};
	syscall(SYS_pipe2, pipes, O_NONBLOCK);
	syscall(SYS_writev, null, give, 3);
	syscall(SYS_writev, 77, bad, 2);
	syscall(SYS_writev, null, give, 0);
	syscall(SYS_writev, 77, NOWHERE, 2);
	syscall(SYS_writev, null, many, 34);
	syscall(SYS_readv, pipes[0], take, 2);
	syscall(SYS_write, pipes[1], "sixchr", 6);
	syscall(SYS_readv, pipes[0], take, 2);
}

static void sockets(void)
{
	struct sockaddr_in four = {AF_INET, htons(80), {htonl(0x7f000001)}};
	struct sockaddr_in6 six = {AF_INET6, htons(443), htonl(7), {{{[10] = 255, 255, 1, 2, 3, 4}}}, 3};
	struct sockaddr_un local = {AF_UNIX, "name"}, hidden = {AF_UNIX, "\0hid\0den"};
	struct sockaddr_storage found;
	struct sockaddr none = {AF_UNSPEC, "ab"}, strange = {99, "ab"};
	unsigned size = sizeof found, small = 5;
	struct iovec part = {"data", 4};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	char text[8];
	struct iovec room = {text, 8};
	struct msghdr taken = {.msg_name = &found, .msg_namelen = sizeof found, .msg_iov = &room, .msg_iovlen = 1};
	int listener, asks, accepted, datagrams, pair[2];

	syscall(SYS_connect, 77, &four, sizeof four);
	syscall(SYS_connect, 77, &six, sizeof six);
	syscall(SYS_connect, 77, &local, sizeof local);
	syscall(SYS_connect, 77, &local, 2);
	syscall(SYS_connect, 77, &local, 5);
	syscall(SYS_connect, 77, &hidden, 10);
	syscall(SYS_connect, 77, &none, sizeof none);
	syscall(SYS_connect, 77, &strange, sizeof strange);
	syscall(SYS_connect, 77, &four, 8);
	syscall(SYS_connect, 77, NOWHERE, 16);
	syscall(SYS_connect, 77, 0, 16);
	syscall(SYS_sendto, 77, "abc", 3, MSG_DONTWAIT, &four, sizeof four);
	listener = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	asks = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	syscall(SYS_bind, listener, &local, 3 + 4);
	syscall(SYS_listen, listener, 5);
	syscall(SYS_connect, asks, &local, 3 + 4);
	accepted = syscall(SYS_accept4, listener, &found, &size, SOCK_CLOEXEC);
	size = sizeof found;
	syscall(SYS_getsockname, accepted, &found, &size);
	syscall(SYS_getsockname, accepted, &found, &small);
	syscall(SYS_getpeername, 77, &found, &size);
	syscall(SYS_accept4, 77, 0, 0, 0);
	syscall(SYS_sendmsg, asks, &message, 0);
	syscall(SYS_recvfrom, accepted, text, 8, 0, &found, &size);
	syscall(SYS_sendmsg, asks, &message, MSG_NOSIGNAL);
	syscall(SYS_recvmsg, accepted, &taken, 0);
	syscall(SYS_recvmsg, 77, &taken, 0);
	syscall(SYS_sendmsg, 77, NOWHERE, 0);
}

static void times(int null)
{
	struct timespec moment = {0, 1000}, rest, file[2] = {{1, 2}, {0, UTIME_OMIT}};
	struct itimerval once = {{0, 0}, {0, 0}}, old;
	struct itimerspec timer = {{0, 0}, {5, 6}};
	int clock = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);

	syscall(SYS_nanosleep, &moment, &rest);
	syscall(SYS_nanosleep, NOWHERE, 0);
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, 0);
	syscall(SYS_clock_getres, CLOCK_MONOTONIC, &rest);
	syscall(SYS_clock_gettime, 4711, &rest);
	syscall(SYS_utimensat, AT_FDCWD, "file", file, 0);
	syscall(SYS_utimensat, AT_FDCWD, "none", 0, 0);
	syscall(SYS_setitimer, ITIMER_REAL, &once, &old);
	syscall(SYS_timerfd_settime, clock, 0, &timer, 0);
	(void)null;
}

static void states(int null)
{
	struct stat info;
	struct rlimit limit = {64, 2048}, was;
	struct pollfd asked[] = {{null, POLLOUT | POLLIN, 0}, {-1, POLLIN, 0}, {77, 0, 0}};
	struct timespec at_once = {0, 0};
	unsigned long set[] = {1UL << (SIGINT - 1) | 1UL << (SIGTERM - 1) | 1UL << 33}, all[] = {~0UL}, old[1];

	syscall(SYS_newfstatat, AT_FDCWD, "file", &info, 0);
	syscall(SYS_newfstatat, AT_FDCWD, "/dev/null", &info, 0);
	syscall(SYS_newfstatat, AT_FDCWD, "none", &info, 0);
	syscall(SYS_fstat, null, &info);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &was);
	limit = (struct rlimit){2048, RLIM_INFINITY};
	syscall(SYS_prlimit64, 0, 99, &limit, 0);
	syscall(SYS_ppoll, asked, 3, &at_once, 0, 8);
	syscall(SYS_ppoll, asked + 1, 1, &at_once, set, 8);
	syscall(SYS_ppoll, NOWHERE, 3, &at_once, 0, 8);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, set, old, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, old, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, all, 8);
	set[0] = 0;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, set, 0, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NOWHERE, 0, 8);
}

static void actions(void)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN}, handled = {.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK};

	handled.sa_handler = (void (*)(int))mark;
	sigaddset(&handled.sa_mask, SIGUSR1);
	sigaction(SIGUSR2, &ignored, 0);
	sigaction(SIGUSR2, &handled, &ignored);
	handled.sa_flags = SA_NODEFER | SA_RESETHAND | SA_NOCLDSTOP | SA_NOCLDWAIT;
	sigaction(SIGUSR2, &handled, &ignored);
	handled.sa_handler = SIG_DFL;
	sigaction(SIGUSR2, &handled, 0);
}

static void children(void)
{
	int status, n;

	for (n = 0; n < 3; n++) {
		pid_t child = fork();
		if (!child) {
			if (n == 1)
				kill(getpid(), SIGKILL);
			if (n == 2)
				kill(getpid(), SIGSTOP);
			_exit(7);
		}
		syscall(SYS_wait4, child, &status, WUNTRACED, 0);
		if (n == 2) {
			syscall(SYS_wait4, child, &status, WNOHANG, 0);
			kill(child, SIGKILL);
			syscall(SYS_wait4, child, 0, 0, 0);
		}
	}
	syscall(SYS_wait4, -1, &status, 0, 0);
}

/* A child changes what a call was given while its parent waits in it, and fills what another one takes. */
static void changed_meanwhile(void)
{
	char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec soon = {0, 200000000};
	int full[2], empty[2];
	pid_t child;

	syscall(SYS_pipe2, full, 0);
	syscall(SYS_pipe2, empty, 0);
	fcntl(full[1], F_SETPIPE_SZ, 4096);
	write(full[1], page, 4096);
	strcpy(shared, "first");
	child = fork();
	if (!child) {
		nanosleep(&soon, 0);
		strcpy(shared, "other");
		read(full[0], page, 4096);
		nanosleep(&soon, 0);
		write(empty[1], "last", 4);
		_exit(0);
	}
	syscall(SYS_write, full[1], shared, 5);
	syscall(SYS_read, empty[0], shared, 5);
	syscall(SYS_wait4, child, 0, 0, 0);
}

int main(int argc, char **argv)
{
	char *words[40] = {"ls", "-l\n", "a word that is longer than thirty-two letters"}, *env[] = {"A=1", "B=2", 0};
	char where[4096];
	int null = open("/dev/null", O_RDWR);

	(void)argc, (void)argv;
	close(open("file", O_CREAT | O_WRONLY, 0640));
	symlink("target", "link");
	mark("/begin");
	buffers(null);
	vectors(null);
	sockets();
	times(null);
	states(null);
	actions();
	children();
	changed_meanwhile();
	syscall(SYS_getcwd, where, 1);
	syscall(SYS_chdir, "/");
	syscall(SYS_getcwd, where, sizeof where);
	syscall(SYS_execve, "/none", words, env);
	for (int n = 0; n < 38; n++)
		words[n] = "w";
	words[38] = 0;
	syscall(SYS_execve, "/none", words, env + 1);
	syscall(SYS_execve, "/none", 0, 0);
	mark("/end");
	return 0;
}
