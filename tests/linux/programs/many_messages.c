/* recvmmsg and sendmmsg: which messages they wait for, by flags, time, signals and the other end. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4, ROOM = 16, MANY = 400 };

static void nothing(int number)
{
	(void)number;
}

/* Another process sends `count` messages, one after the other, and then does `last`. */
static void receive(const char *what, int type, int count, int flags, struct timespec *timeout, int last,
		    int patience)
{
	int ends[2];
	char texts[MOST][ROOM] = { 0 };
	struct iovec parts[MOST];
	struct mmsghdr messages[MOST] = { 0 };
	struct timeval time = { 0, patience };

	socketpair(AF_UNIX, type, 0, ends);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		close(ends[1]);
		for (int i = 0; i < count; i++) {
			usleep(30000);
			send(ends[0], "abcdef" + i, i + 1, 0);
		}
		usleep(30000);
		if (last)
			kill(parent, last);
		usleep(last ? 30000 : 0);
		_exit(0);
	}
	close(ends[0]);
	setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	for (int i = 0; i < MOST; i++) {
		parts[i] = (struct iovec){ texts[i], ROOM };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	errno = 0;
	int got = recvmmsg(ends[1], messages, MOST, flags, timeout);
	printf("%s: %d %s", what, got, got < 0 ? strerror(errno) : "");
	for (int i = 0; i < got; i++)
		printf(" %u:%s", messages[i].msg_len, texts[i]);
	printf("\n");
	close(ends[1]);
	waitpid(child, NULL, 0);
}

/* More than fit, to one who reads slowly. */
static void send_many(void)
{
	static struct mmsghdr messages[MANY];
	struct iovec part = { "text", 4 };
	int ends[2], got = 0;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	pid_t child = fork();
	if (!child) {
		char text[ROOM];
		close(ends[1]);
		usleep(30000);
		while (got < MANY && recv(ends[0], text, ROOM, 0) == 4)
			got++;
		_exit(got == MANY);
	}
	close(ends[0]);
	for (int i = 0; i < MANY; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	printf("sent: %d", sendmmsg(ends[1], messages, MANY, 0));
	printf(" %u", messages[MANY - 1].msg_len);
	close(ends[1]);
	waitpid(child, &got, 0);
	printf(" %d\n", WEXITSTATUS(got));
}

int main(void)
{
	struct timespec none = { 0, 0 }, wrong = { 0, 1000000000 };

	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nothing }, NULL);
	receive("all", SOCK_DGRAM, MOST, 0, NULL, 0, 0);
	receive("one", SOCK_DGRAM, 1, MSG_WAITFORONE, NULL, 0, 0);
	receive("none there", SOCK_DGRAM, 0, MSG_DONTWAIT, NULL, 0, 0);
	receive("no time", SOCK_DGRAM, 1, 0, &none, 0, 0);
	receive("wrong time", SOCK_DGRAM, 0, 0, &wrong, 0, 0);
	receive("a signal after two", SOCK_DGRAM, 2, 0, NULL, SIGUSR1, 900000);
	receive("the end after two", SOCK_SEQPACKET, 2, 0, NULL, 0, 0);
	receive("the socket's patience", SOCK_DGRAM, 0, 0, NULL, 0, 200000);
	receive("its patience after two", SOCK_DGRAM, 2, 0, NULL, 0, 600000);
	receive("a part of a message", SOCK_STREAM, 2, MSG_WAITALL, NULL, SIGUSR1, 900000);
	send_many();
	return 0;
}
