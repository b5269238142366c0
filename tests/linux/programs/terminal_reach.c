/* Started at a terminal, with others on the host: what of them a program gets to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void say(const char *what, long result)
{
	printf("%s: %s%ld\n", what, result < 0 ? "-" : "", result < 0 ? (long)errno : result);
}

int main(void)
{
	char name[64];
	int opened = 0, count = 0, fd;

	say("a terminal", isatty(0));
	say("type into it", ioctl(0, TIOCSTI, "x"));
	say("its number", ioctl(0, TIOCGPTN, name));
	say("its peer", ioctl(0, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	say("own terminal", open("/dev/tty", O_RDWR));
	for (int number = 0; number < 300; number++) {
		snprintf(name, sizeof name, "/dev/pts/%d", number);
		opened += open(name, O_RDWR | O_NOCTTY) >= 0;
	}
	say("others", opened);
	for (int number = 0; number < 3; number++) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", number);
		opened += open(name, O_RDWR | O_NOCTTY) >= 0;
	}
	say("again", opened);
	mknod("ptmx", S_IFCHR | 0666, makedev(5, 2));
	say("a node of one's own", open("ptmx", O_RDWR | O_NOCTTY) >= 0);
	while ((fd = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0)
		count++;
	say("too many", fd);
	say("some", count > 16);
	return 0;
}
