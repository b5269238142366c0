/* The line discipline: what a pseudo-terminal's slave reads, and what its master is shown, byte for byte. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int master, slave;

static void show(const char *what, const char *text, int size)
{
	const unsigned char *data = (const unsigned char *)text;

	printf("  %s %d:", what, size < 0 ? -errno : size);
	for (int i = 0; i < size && i < 200; i++)
		printf(data[i] > 32 && data[i] < 127 ? "%c" : "<%02x>", data[i]);
	printf("\n");
}

static void wrote(int size)
{
	printf("  wrote %d\n", size < 0 ? -errno : size);
}

/* A kernel moves bytes behind the caller's back: give it the time to. */
static void settle(void)
{
	struct timespec moment = {0, 3000000};

	nanosleep(&moment, 0);
}

static void reads(void)
{
	static char buffer[70000];
	int left;

	settle();
	for (int i = 0; i < 12; i++) {
		int size = read(slave, buffer, sizeof buffer);

		show("slave", buffer, size);
		if (size < 0)
			break;
	}
	for (int i = 0; i < 12; i++) {
		int size = read(master, buffer, sizeof buffer);

		show("master", buffer, size);
		if (size < 0)
			break;
	}
	ioctl(slave, FIONREAD, &left);
	printf("  left %d\n", left);
}

static void type(const char *text, int size)
{
	printf("%s", "type");
	show("", text, size);
	wrote(write(master, text, size));
	reads();
}

#define TYPE(text) type(text, sizeof text - 1)

static void modes(const char *what, unsigned in_off, unsigned in_on, unsigned out_off, unsigned out_on, unsigned off,
		  unsigned on)
{
	struct termios now;

	tcgetattr(slave, &now);
	now.c_iflag = (now.c_iflag & ~in_off) | in_on;
	now.c_oflag = (now.c_oflag & ~out_off) | out_on;
	now.c_lflag = (now.c_lflag & ~off) | on;
	printf("== %s: %d\n", what, tcsetattr(slave, TCSANOW, &now));
}

static void dump(void)
{
	struct termios now;

	tcgetattr(master, &now);
	printf("%x %x %x %x", now.c_iflag, now.c_oflag, now.c_cflag, now.c_lflag);
	for (int i = 0; i < 17; i++)
		printf(" %x", now.c_cc[i]);
	printf("\n");
}

static void make(void)
{
	if (master) {
		close(slave);
		close(master);
	}
	master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	grantpt(master);
	unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
	printf("=== a new one\n");
}

static void special(int which, int byte)
{
	struct termios now;

	tcgetattr(slave, &now);
	now.c_cc[which] = byte;
	tcsetattr(slave, TCSANOW, &now);
}

static void put(const char *text)
{
	printf("put");
	show("", text, strlen(text));
	wrote(write(slave, text, strlen(text)));
	reads();
}

static void editing(void)
{
	make();
	dump();
	TYPE("hello\n");
	TYPE("a line\rand two\nand a part");
	TYPE(" of one\n");
	TYPE("wrong\x7f\x7fight\n");
	TYPE("all of this\x15that\n");
	TYPE("one two  three\x17" "four\n");
	TYPE("tab\tbed\x7f\x7f\x7f\x7f\x7f\x7f\n");
	TYPE("\x01\x02\x7f\x7f\x7f\n");
	TYPE("lit\x16\x7f\x16\x03\x16\n.\n");
	TYPE("again\x12 and\n");
	TYPE("no end\x04");
	TYPE("\x04");
	TYPE("x\x04\x04y\n\x04");
	TYPE("\x1b[A\xc3\xa9\x7f\n");
	modes("utf-8", 0, IUTF8, 0, 0, 0, 0);
	TYPE("\xc3\xa9\xe2\x82\xac\x7f\x7f\n");
	special(VEOL, ';');
	TYPE("stop;go\n");
	special(VEOL2, '|');
	TYPE("stop|go\n");
	modes("no ECHOE", 0, 0, 0, 0, ECHOE, 0);
	TYPE("ab\x7f\x15zz\n");
	modes("no ECHOKE", 0, 0, 0, 0, ECHOKE, ECHOE);
	TYPE("ab\x15zz\n");
	modes("ECHOPRT", 0, 0, 0, 0, ECHOKE, ECHOE | ECHOPRT);
	TYPE("abc\x7f\x7fz\n");
	modes("no ECHOCTL", 0, 0, 0, 0, ECHOCTL | ECHOPRT, 0);
	TYPE("\x01\x7f" "a\tb\x7f\x7f\x7f\n");
	modes("no echo but newlines", 0, 0, 0, 0, ECHO, ECHONL);
	TYPE("secret\n");
	modes("no IEXTEN", 0, 0, 0, 0, IEXTEN, ECHO | ECHOCTL);
	TYPE("a\x16\x03 b\x17\n");
}

static void translating(void)
{
	make();
	modes("INLCR", ICRNL, INLCR, 0, 0, 0, 0);
	TYPE("a\nb\rc\x04");
	modes("IGNCR", INLCR, IGNCR, 0, 0, 0, 0);
	TYPE("a\rb\n");
	modes("ISTRIP IUCLC", IGNCR, ISTRIP | IUCLC | ICRNL, 0, 0, 0, 0);
	TYPE("A\xc1\r");
	modes("PARMRK", ISTRIP | IUCLC, PARMRK, 0, 0, 0, 0);
	TYPE("a\xff" "b\n");
	modes("plain again", PARMRK, 0, 0, 0, 0, 0);
	put("one\ntwo\tthree\r\b\n");
	modes("XTABS", 0, 0, 0, XTABS, 0, 0);
	put("ab\tcd\tefghijkl\tx\n\t\b\ty\n");
	modes("OLCUC ONOCR", 0, 0, XTABS, OLCUC | ONOCR, 0, 0);
	put("abc\n\rabc\r\r");
	modes("OCRNL", 0, 0, OLCUC | ONOCR, OCRNL, 0, 0);
	put("a\rb\n");
	modes("ONLRET", 0, 0, ONLCR, ONLRET, 0, 0);
	put("ab\ncd\r\t.\n");
	modes("no OPOST", 0, 0, OPOST, 0, 0, 0);
	put("a\nb\tc\r");
	TYPE("echo\n");
}

static void raw(void)
{
	struct termios now;

	make();
	TYPE("before");
	modes("not ICANON", 0, 0, 0, 0, ICANON, 0);
	reads();
	TYPE("a\x7f\x15\x04\n\r");
	modes("ICANON", 0, 0, 0, 0, 0, ICANON);
	reads();
	modes("not ICANON", 0, 0, 0, 0, ICANON, 0);
	wrote(write(master, "part", 4));
	settle();
	modes("ICANON with a part", 0, 0, 0, 0, 0, ICANON);
	reads();
	tcgetattr(slave, &now);
	cfmakeraw(&now);
	tcsetattr(slave, TCSANOW, &now);
	dump();
	TYPE("a\x03\x1a\x13\x11\xff\r\n");
	put("a\nb\tc");
}

static void packets(void)
{
	int on = 1, got = -1;

	make();
	printf("packet %d", ioctl(master, TIOCPKT, &on));
	printf(" %d", ioctl(master, 0x80045438, &got));
	printf(" %d\n", got);
	put("data\n");
	modes("no IXON", IXON, 0, 0, 0, 0, 0);
	reads();
	modes("IXON", 0, IXON, 0, 0, 0, 0);
	reads();
	TYPE("\x13");
	put("held");
	TYPE("\x11");
	TYPE("\x03");
	printf("flush %d\n", tcflush(slave, TCIFLUSH));
	reads();
	printf("flush %d\n", tcflush(slave, TCIOFLUSH));
	reads();
	printf("flow %d", tcflow(slave, TCOOFF));
	settle();
	printf(" %d\n", tcflow(slave, TCOON));
	reads();
}

static void flow(void)
{
	make();
	TYPE("a\x13" "bc");
	put("out");
	TYPE("\x11");
	TYPE("\n");
	modes("IXANY", 0, IXANY, 0, 0, 0, 0);
	TYPE("\x13");
	put("out");
	TYPE("any\n");
	printf("send stop %d\n", tcflow(slave, TCIOFF));
	reads();
	printf("send start %d\n", tcflow(slave, TCION));
	reads();
	TYPE("lost\n""kept");
	wrote(write(master, "more\n", 5));
	settle();
	printf("flush %d %d\n", tcflush(slave, TCIFLUSH), tcflush(slave, 7) < 0 ? -errno : 0);
	reads();
}

static void long_lines(void)
{
	static char line[9000];

	make();
	modes("no echo", 0, 0, 0, 0, ECHO, 0);
	memset(line, 'x', sizeof line);
	for (int size = 4090; size < 4100; size++) {
		int at = 0;
		static char got[9000];

		while (at < size) {
			int done = write(master, line + at, size - at > 100 ? 100 : size - at);

			if (done > 0)
				at += done;
			settle();
		}
		settle();
		while (write(master, "E\n", 2) < 0)
			settle();
		settle();
		at = read(slave, got, sizeof got);
		printf("line of %d: %d %02x %02x\n", size, at, got[at - 2] & 255, got[at - 1] & 255);
		at = read(slave, got, 10);
		printf("then %d\n", at < 0 ? -errno : at);
	}
	write(master, "0123456789\n", 11);
	settle();
	for (int i = 0; i < 5; i++) {
		static char got[4];
		int size = read(slave, got, sizeof got);

		show("four", got, size);
	}
	write(master, "0123\x04" "45\n", 8);
	settle();
	for (int i = 0; i < 4; i++) {
		static char got[4];
		int size = read(slave, got, sizeof got);

		show("four", got, size);
	}
}

int main(void)
{
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	editing();
	translating();
	raw();
	packets();
	flow();
	long_lines();
	return 0;
}
