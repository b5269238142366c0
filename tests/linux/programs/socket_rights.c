/* Options and messages that reach beyond a socket: each is to be refused, and nothing of the host to change. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

/* RTM_NEWNSID for the network namespace of *pid*, as ip-netns(8) asks for one. */
static long name_namespace(int fd, int pid)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg message;
		char pad[3];
		struct nlattr pid_attr;
		unsigned pid;
		struct nlattr id_attr;
		int id;
	} request = { { sizeof request, RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK, 1, 0 }, { AF_UNSPEC }, "",
		      { 8, 2 }, (unsigned)pid, { 8, 1 }, 7 };
	struct { struct nlmsghdr header; struct nlmsgerr error; char rest[256]; } answer;
	if (send(fd, &request, sizeof request, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		return -1;
	errno = -answer.error.error;
	return answer.error.error ? -1 : 0;
}

int main(void)
{
	struct sock_filter all = { 6, 0, 0, 0xffff };
	struct sock_fprog program = { 1, &all };
	struct { char before[8]; struct sock_filter read[64]; } room;
	socklen_t size = 64;
	int pair[2], udp = socket(AF_INET, SOCK_DGRAM, 0), route = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	say("attach a filter", setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
	say("read a filter", getsockopt(pair[0], SOL_SOCKET, SO_GET_FILTER, room.read, &size));
	say("netfilter tables", getsockopt(udp, 0, 64, &room, &size));
	say("bind to a device", setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	say("mark", setsockopt(udp, SOL_SOCKET, SO_MARK, &(int){ 1 }, 4));
	say("name another namespace", name_namespace(route, 1));
	say("reuse an address", setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, 4));
	return 0;
}
