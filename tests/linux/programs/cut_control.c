/* Control messages into every room, of none to three descriptors, with and without credentials. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static char byte = 'x';

static void send_descriptors(int to, int count)
{
	struct iovec io = { &byte, 1 };
	char room[CMSG_SPACE(16)] = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	if (count) {
		message.msg_control = room;
		message.msg_controllen = CMSG_SPACE(4 * count);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(4 * count);
		for (int i = 0; i < count; i++)
			((int *)CMSG_DATA(header))[i] = to;
	}
	sendmsg(to, &message, 0);
}

static void show(const char *room, size_t size)
{
	for (size_t at = 0; at + 16 <= size;) {
		const struct cmsghdr *header = (const void *)(room + at);
		printf(" %zu/%d/%d", (size_t)header->cmsg_len, header->cmsg_level, header->cmsg_type);
		if (header->cmsg_type == SCM_RIGHTS)
			for (size_t i = 0; i < (header->cmsg_len - 16) / 4; i++)
				printf(" fd%d", ((int *)CMSG_DATA(header))[i]);
		at += (header->cmsg_len + 7) & ~7ul;
	}
}

static void receive(int count, int size, int is_null, int credentials, int flags)
{
	int pair[2];
	char room[256];
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };

	memset(room, 0x55, sizeof room);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &credentials, sizeof credentials);
	send_descriptors(pair[0], count);
	message.msg_control = is_null ? NULL : room;
	message.msg_controllen = size;
	long got = recvmsg(pair[1], &message, flags);
	printf("%d in %d%s%s: %ld %zu %x", count, size, is_null ? " null" : "", credentials ? " who" : "", got,
	       (size_t)message.msg_controllen, message.msg_flags);
	if (!is_null)
		show(room, message.msg_controllen);
	printf(", then %d\n", open("/dev/null", O_RDONLY));
	for (int fd = 3; fd < 16; fd++)
		close(fd);
}

int main(void)
{
	for (int credentials = 0; credentials < 2; credentials++)
		for (int count = 0; count < 4; count++)
			for (int size = 0; size <= 80; size += 4) {
				receive(count, size, 0, credentials, size & 8 ? MSG_CMSG_CLOEXEC : 0);
				receive(count, size, 1, credentials, 0);
			}
	return 0;
}
