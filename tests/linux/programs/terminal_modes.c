/* The structures that a terminal's modes are read and set by: termios, termios2 with speeds, termio. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	GET = 0x5401, SET, SET_DRAINED, SET_FLUSHED, GET_OLD, SET_OLD, SET_OLD_DRAINED, SET_OLD_FLUSHED,
	KEPT = 0x5456, KEEP,
	GET_2 = 0x802C542A, SET_2 = 0x402C542B, SET_2_DRAINED, SET_2_FLUSHED,
	BOTHER = 0x1000, SPEEDS = 0x100F100F, ICANON_BIT = 2,
};

struct modes {
	unsigned iflag, oflag, cflag, lflag;
	unsigned char line, cc[19];
	unsigned ispeed, ospeed;
};

struct old_modes {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};

static int master, slave;

static void say(const char *what, long result)
{
	printf("%s: %ld\n", what, result < 0 ? -(long)errno : result);
}

static void show(const char *what, int fd)
{
	struct modes new, plain;
	struct old_modes old;

	memset(&new, 0xEE, sizeof new);
	memset(&plain, 0xEE, sizeof plain);
	memset(&old, 0xEE, sizeof old);
	say(what, ioctl(fd, GET_2, &new) | ioctl(fd, GET, &plain) | ioctl(fd, GET_OLD, &old));
	printf("  %x %x %x %x %x, %u %u\n", new.iflag, new.oflag, new.cflag, new.lflag, new.line, new.ispeed, new.ospeed);
	printf("  alike %d, nothing behind %x\n", !memcmp(&new, &plain, 36), plain.ispeed);
	printf("  %x %x %x %x %x\n  ", old.iflag, old.oflag, old.cflag, old.lflag, old.line);
	for (int i = 0; i < 19; i++)
		printf("%02x%s", new.cc[i], i < 8 && old.cc[i] != new.cc[i] ? "!" : " ");
	printf("\n");
}

static void speed(unsigned bits, unsigned in, unsigned out, unsigned request)
{
	struct modes now;
	char text[40];

	if (ioctl(slave, GET_2, &now))
		return;
	now.cflag = (now.cflag & ~SPEEDS) | bits;
	now.ispeed = in;
	now.ospeed = out;
	snprintf(text, sizeof text, "speed %x of %u %u by %x", bits, in, out, request);
	say(text, ioctl(slave, request, &now));
	ioctl(master, GET_2, &now);
	printf("  %x %u %u\n", now.cflag, now.ispeed, now.ospeed);
}

static void old(void)
{
	struct old_modes one;
	char text[8];

	ioctl(slave, GET_OLD, &one);
	one.lflag &= ~ICANON_BIT;
	one.cc[0] = 'x';
	one.cc[6] = 0;
	if (write(master, "ab", 2) < 0)
		return;
	say("set", ioctl(slave, SET_OLD, &one));
	show("old", slave);
	say("read", read(slave, text, sizeof text));
	if (write(master, "cd", 2) < 0)
		return;
	usleep(3000);
	say("set and flush", ioctl(slave, SET_OLD_FLUSHED, &one));
	say("read", read(slave, text, sizeof text));
	say("set later", ioctl(slave, SET_OLD_DRAINED, &one));
	say("set nowhere", ioctl(slave, SET_OLD, (void *)8));
	say("get nowhere", ioctl(slave, GET_OLD, (void *)8));
	say("set nowhere", ioctl(slave, SET_2, (void *)8));
	say("get nowhere", ioctl(slave, GET_2, (void *)8));
}

/* Some modes cannot be changed any more; only root decides which. */
static void keep(void)
{
	struct modes kept = {.lflag = ICANON_BIT, .cc = {1}}, now;

	say("keep", ioctl(slave, KEEP, &kept));
	memset(&kept, 0xEE, sizeof kept);
	say("kept", ioctl(slave, KEPT, &kept));
	printf("  %x %x %x %x, nothing behind %x\n", kept.iflag, kept.lflag, kept.cc[0], kept.cc[1], kept.ispeed);
	ioctl(slave, GET_2, &now);
	now.lflag ^= ICANON_BIT | 8;
	now.cc[0] ^= 1;
	now.cc[1] ^= 1;
	say("set", ioctl(slave, SET_2, &now));
	show("but for what is kept", slave);
}

int main(void)
{
	struct modes now;
	int ends[2];

	master = posix_openpt(O_RDWR | O_NOCTTY);
	unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	show("slave", slave);
	show("master", master);
	speed(0xD, 0, 0, SET_2);
	speed(0x1002, 1, 1, SET_2_DRAINED);
	speed(BOTHER, 0, 12345, SET_2);
	speed(BOTHER | BOTHER << 16, 77, 12345, SET_2_FLUSHED);
	speed(0xF, 9, 9, SET);
	speed(BOTHER, 5, 6, SET);
	speed(0x100F, 0, 0, SET_2);
	speed(0xB | 0xC << 16, 0, 0, SET_2);
	speed(0, 3, 3, SET_2);
	old();
	if (!getuid() && setresuid(65534, 65534, 65534))
		return 1;
	keep();
	if (pipe(ends))
		return 1;
	say("of a pipe", ioctl(ends[0], GET_2, &now));
	say("of a pipe", ioctl(ends[0], SET_2, &now));
	say("of a pipe", ioctl(ends[0], GET_OLD, &now));
	say("of nothing", ioctl(99, GET_2, &now));
	close(master);
	say("hung up", ioctl(slave, GET_2, &now));
	return 0;
}
