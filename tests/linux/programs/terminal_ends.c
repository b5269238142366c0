/* The two ends of a pseudo-terminal: names, locks, readiness, hang-up, and what each ioctl answers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int master, slave;
static char name[64];

static void say(const char *what, long result)
{
	printf("%s: %ld\n", what, result < 0 ? -(long)errno : result);
}

static void settle(void)
{
	struct timespec moment = {0, 3000000};

	nanosleep(&moment, 0);
}

static void make(int flags)
{
	master = posix_openpt(O_RDWR | O_NOCTTY | flags);
	grantpt(master);
	unlockpt(master);
	strcpy(name, ptsname(master));
}

static void ready(const char *what)
{
	struct pollfd both[2] = {{master, POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM, 0},
				 {slave, POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM, 0}};

	settle();
	poll(both, 2, 0);
	printf("%s: %x %x\n", what, both[0].revents, both[1].revents);
}

static void names(void)
{
	int number = -1, locked = -1, zero = 0, one = 1;
	struct stat status;
	char text[64];

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	say("number", ioctl(master, TIOCGPTN, &number));
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	say("lock", ioctl(master, 0x80045439, &locked));
	printf("locked %d\n", locked);
	say("open locked", open(name, O_RDWR | O_NOCTTY));
	say("peer locked", ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	say("unlock", ioctl(master, TIOCSPTLCK, &zero));
	slave = open(name, O_RDWR | O_NOCTTY);
	printf("opened %d\n", slave >= 0);
	say("fstat", fstat(slave, &status));
	printf("%o %d:%d %d\n", status.st_mode & S_IFMT, major(status.st_rdev), minor(status.st_rdev) == number,
	       (int)status.st_size);
	say("stat", stat(name, &status));
	printf("%o %d\n", status.st_mode & S_IFMT, status.st_uid == getuid());
	say("fstat", fstat(master, &status));
	printf("%o %d:%d\n", status.st_mode & S_IFMT, major(status.st_rdev), minor(status.st_rdev));
	printf("%s\n", strcmp(ttyname(slave) ? ttyname(slave) : "?", name) ? "another name" : "its name");
	snprintf(text, sizeof text, "/proc/self/fd/%d", master);
	memset(name, 0, sizeof name);
	say("link", readlink(text, name, sizeof name));
	printf("%s\n", name);
	printf("tty %d %d\n", isatty(master), isatty(slave));
	say("peer", ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) > 0);
	say("peer of the slave", ioctl(slave, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	say("number of the slave", ioctl(slave, TIOCGPTN, &number));
	say("lock by the slave", ioctl(slave, TIOCSPTLCK, &one));
	say("lock", ioctl(master, TIOCSPTLCK, &one));
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	say("open", open(name, O_RDWR | O_NOCTTY));
	say("unlock", ioctl(master, TIOCSPTLCK, &zero));
	say("chmod", fchmod(slave, 0600));
	fstat(slave, &status);
	printf("%o\n", status.st_mode & 0777);
	say("none", open("/dev/pts/7777", O_RDWR | O_NOCTTY));
	say("seek", lseek(slave, 0, SEEK_SET));
	say("pread", pread(slave, text, 1, 0));
	say("pwrite", pwrite(slave, text, 1, 0));
	say("truncate", ftruncate(slave, 0));
	say("sync", fsync(slave));
	say("pipe size", fcntl(slave, F_GETPIPE_SZ));
	say("flags", fcntl(slave, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	int reader = open(name, O_RDONLY | O_NOCTTY), writer = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK);
	say("write to a reader", write(reader, "x", 1));
	say("read from a writer", read(writer, text, 1));
	say("flags", fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	say("flags", fcntl(writer, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	say("close", close(master));
	say("read", read(slave, text, 1));
	say("write", write(slave, text, 1));
	say("open", open(name, O_RDWR | O_NOCTTY));
	say("stat", stat(name, &status));
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

static void ends(void)
{
	char text[100];
	int amount = -1, again;

	make(O_NONBLOCK);
	slave = -1;
	ready("no slave yet");
	say("read", read(master, text, 100));
	say("write before", write(master, "early\n", 6));
	ready("written");
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	ready("opened");
	say("read", read(slave, text, 100));
	say("echoed", read(master, text, 100));
	ready("read");
	say("write", write(master, "part", 4));
	ready("part of a line");
	say("amount", ioctl(slave, FIONREAD, &amount));
	printf("%d\n", amount);
	say("write", write(slave, "out\n", 4));
	ready("output");
	say("amount", ioctl(master, FIONREAD, &amount));
	printf("%d\n", amount);
	say("queued", ioctl(slave, TIOCOUTQ, &amount));
	printf("%d\n", amount);
	say("write", write(master, "\n", 1));
	ready("line");
	say("read of nothing", read(slave, text, 0));
	say("write of nothing", write(slave, text, 0));
	again = dup(slave);
	close(slave);
	slave = again;
	ready("one of two");
	close(slave);
	slave = -1;
	ready("slave closed");
	say("read", read(master, text, 5));
	say("read", read(master, text, 100));
	say("read", read(master, text, 100));
	say("write", write(master, "into nothing\n", 13));
	ready("slave closed");
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	ready("opened again");
	say("read", read(slave, text, 100));
	say("read", read(slave, text, 100));
	say("read", read(master, text, 100));
	say("read", read(master, text, 100));
	close(master);
	master = -1;
	ready("master closed");
	say("read", read(slave, text, 100));
	say("write", write(slave, text, 1));
	say("modes", ioctl(slave, TCGETS, text));
	say("group", ioctl(slave, TIOCSPGRP, text));
	close(slave);
}

static void sets(void)
{
	struct epoll_event events[8], one = {EPOLLIN | EPOLLOUT, {.u64 = 1}}, two = {EPOLLIN | EPOLLET, {.u64 = 2}};
	struct epoll_event pipe_end = {EPOLLIN, {.u64 = 3}};
	int set = epoll_create1(0), pipes[2], found;
	char text[100];

	make(O_NONBLOCK);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (pipe(pipes))
		return;
	say("add", epoll_ctl(set, EPOLL_CTL_ADD, master, &one));
	say("add", epoll_ctl(set, EPOLL_CTL_ADD, master, &one));
	say("add", epoll_ctl(set, EPOLL_CTL_ADD, slave, &two));
	say("add", epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &pipe_end));
#define FOUND(what)                                                                                                    \
	settle();                                                                                                      \
	found = epoll_wait(set, events, 8, 0);                                                                         \
	printf("%s %d:", what, found);                                                                                 \
	for (int which = 1; which < 4; which++)                                                                        \
		for (int i = 0; i < found; i++)                                                                        \
			if (events[i].data.u64 == which)                                                               \
				printf(" %d=%x", which, events[i].events);                                             \
	printf("\n");
	FOUND("at first")
	if (write(master, "line\n", 5) < 0)
		return;
	FOUND("a line")
	FOUND("again")
	if (write(master, "more\n", 5) < 0 || write(pipes[1], "x", 1) < 0)
		return;
	FOUND("one more")
	FOUND("again")
	one.events = EPOLLIN | EPOLLONESHOT;
	say("change", epoll_ctl(set, EPOLL_CTL_MOD, master, &one));
	FOUND("once")
	FOUND("again")
	say("change", epoll_ctl(set, EPOLL_CTL_MOD, master, &one));
	FOUND("once")
	one.events = EPOLLIN;
	say("change", epoll_ctl(set, EPOLL_CTL_MOD, master, &one));
	say("remove", epoll_ctl(set, EPOLL_CTL_DEL, slave, 0));
	say("remove", epoll_ctl(set, EPOLL_CTL_DEL, slave, 0));
	while (read(master, text, sizeof text) > 0)
		;
	FOUND("all read")
	if (!fork()) {
		settle();
		settle();
		_exit(write(slave, "from a child\n", 13) != 13);
	}
	found = epoll_wait(set, events, 8, 5000);
	printf("woken %d\n", found);
	wait(0);
	while (read(pipes[0], text, 1) > 0 && read(master, text, sizeof text) > 0 && 0)
		;
	while (read(master, text, sizeof text) > 0)
		;
	close(slave);
	FOUND("hung up")
	close(master);
	close(set);
	close(pipes[0]);
	close(pipes[1]);
}

static void waiting(void)
{
	char text[100];
	struct pollfd one;
	struct termios now;
	struct timeval second = {5, 0};
	fd_set readable, writable;

	make(0);
	slave = open(name, O_RDWR | O_NOCTTY);
	if (!fork()) {
		close(master);
		settle();
		if (write(slave, "word\n", 5) != 5)
			_exit(1);
		say("child reads", read(slave, text, sizeof text));
		fflush(stdout);
		_exit(7);
	}
	close(slave);
	say("parent reads", read(master, text, sizeof text));
	say("parent writes", write(master, "answer\n", 7));
	settle();
	settle();
	say("parent reads", read(master, text, sizeof text));
	one = (struct pollfd){master, 0, 0};
	say("hang-up is waited for", poll(&one, 1, 5000));
	printf("%x\n", one.revents);
	say("at its end", read(master, text, sizeof text));
	wait(0);
	slave = open(name, O_RDWR | O_NOCTTY);
	tcgetattr(slave, &now);
	cfmakeraw(&now);
	now.c_cc[VMIN] = 0;
	now.c_cc[VTIME] = 2;
	tcsetattr(slave, TCSANOW, &now);
	say("nothing in time", read(slave, text, sizeof text));
	now.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &now);
	say("nothing at once", read(slave, text, sizeof text));
	now.c_cc[VMIN] = 4;
	tcsetattr(slave, TCSANOW, &now);
	say("write", write(master, "abc", 3));
	settle();
	one = (struct pollfd){slave, POLLIN, 0};
	say("too few", poll(&one, 1, 0));
	say("enough for two", read(slave, text, 2));
	if (!fork()) {
		settle();
		settle();
		_exit(write(master, "def", 3) != 3);
	}
	say("waits for four", read(slave, text, sizeof text));
	wait(0);
	now.c_cc[VMIN] = 9;
	now.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &now);
	say("write", write(master, "xyz", 3));
	say("until nothing more comes", read(slave, text, sizeof text));
	if (!fork()) {
		settle();
		settle();
		close(slave);
		_exit(write(master, "q", 1) != 1);
	}
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(slave, &readable);
	say("select", select(slave + 1, &readable, 0, 0, &second));
	wait(0);
	close(master);
	close(slave);
}

static void full(void)
{
	static char much[5000];
	struct termios now;
	struct pollfd one;
	int count = 0, done;

	make(O_NONBLOCK);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	tcgetattr(slave, &now);
	cfmakeraw(&now);
	tcsetattr(slave, TCSANOW, &now);
	while ((done = write(slave, much, 100)) > 0 || count == 0)
		count += done;
	printf("full %d %d\n", done < 0 ? -errno : done, count > 4096 && count < 100000);
	one = (struct pollfd){slave, POLLOUT, 0};
	say("room", poll(&one, 1, 0));
	if (!fork()) {
		int got = 0;

		settle();
		settle();
		while ((done = read(master, much, sizeof much)) > 0)
			got += done;
		_exit(got < 4096);
	}
	say("room is waited for", poll(&one, 1, 5000));
	printf("%x\n", one.revents);
	wait(&done);
	printf("%x\n", done);
	fcntl(slave, F_SETFL, 0);
	if (!fork()) {
		int got = 0;

		fcntl(master, F_SETFL, 0);
		while (got < 100000 && (done = read(master, much, sizeof much)) > 0)
			got += done;
		_exit(got != 100000);
	}
	for (count = 0; count < 100000; count += done)
		if ((done = write(slave, much, 5000)) < 0)
			break;
	printf("all %d\n", count);
	wait(&done);
	printf("%x\n", done);
	close(master);
	close(slave);
}

static void ioctls(void)
{
	static const unsigned long known[] = {TIOCGPTN, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, FIONREAD, TIOCOUTQ, 0x80045438,
					      TIOCGETD, TIOCGEXCL, TIOCGSOFTCAR, TIOCMGET, 0x5460, TIOCPKT};
	struct winsize size = {24, 80, 1, 2}, got;
	int word;

	make(0);
	slave = open(name, O_RDWR | O_NOCTTY);
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
		errno = word = 0;
		printf("%lx %d", known[i], ioctl(master, known[i], &got) < 0 ? -errno : 0);
		word = 0;
		printf(" %d\n", ioctl(slave, known[i], &got) < 0 ? -errno : 0);
	}
	say("size", ioctl(slave, TIOCSWINSZ, &size));
	memset(&got, 0, sizeof got);
	say("size", ioctl(master, TIOCGWINSZ, &got));
	printf("%d %d %d %d\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
	say("bad pointer", ioctl(slave, TIOCGWINSZ, 1));
	say("bad pointer", ioctl(slave, TCSETS, 1));
	say("signal", ioctl(master, 0x40045436, SIGINT));
	say("signal", ioctl(master, 0x40045436, SIGHUP));
	say("signal", ioctl(slave, 0x40045436, SIGINT));
	say("break", tcsendbreak(slave, 0));
	say("drain", tcdrain(slave));
	say("drain", tcdrain(master));
	say("exclusive", ioctl(slave, TIOCEXCL));
	say("exclusive", ioctl(slave, TIOCGEXCL, &word));
	printf("%d\n", word);
	say("open", getuid() ? open(name, O_RDWR | O_NOCTTY) : (errno = EBUSY, -1));
	say("shared", ioctl(slave, TIOCNXCL));
	say("give up", ioctl(slave, TIOCNOTTY));
	close(master);
	close(slave);
}

static void passing(void)
{
	int pair[2], got;
	char text[100], room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec byte = {text, 1};
	struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	make(0);
	slave = open(name, O_RDWR | O_NOCTTY);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return;
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &slave, sizeof slave);
	say("sent", sendmsg(pair[0], &message, 0));
	close(slave);
	struct pollfd one = {master, POLLIN, 0};

	say("held on its way", poll(&one, 1, 0));
	message.msg_controllen = sizeof room;
	say("received", recvmsg(pair[1], &message, 0));
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
	printf("tty %d %d\n", isatty(got), strcmp(ttyname(got), name));
	say("write", write(got, "by a copy", 9));
	say("read", read(master, text, sizeof text));
	close(got);
	say("read", read(master, text, sizeof text));
	close(master);
}

int main(void)
{
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	names();
	fflush(stdout);
	ends();
	fflush(stdout);
	sets();
	fflush(stdout);
	waiting();
	fflush(stdout);
	full();
	fflush(stdout);
	ioctls();
	fflush(stdout);
	passing();
	return 0;
}
