/* preadv2 and pwritev2 with flags, at the position of the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *what, long got)
{
	printf("%s: %ld %s\n", what, got, got < 0 ? strerror(errno) : "");
}

int main(void)
{
	char text[8] = "abcdef";
	struct iovec part = { text, 2 };
	int ends[2], file = open("positions", O_RDWR | O_CREAT, 0600);

	pipe(ends);
	say("unknown flag", preadv2(file, &part, 1, -1, 1 << 20));
	say("unknown flag", pwritev2(file, &part, 1, -1, 1 << 20));
	say("empty pipe", preadv2(ends[0], &part, 1, -1, RWF_NOWAIT));
	say("pipe", pwritev2(ends[1], &part, 1, -1, RWF_NOWAIT));
	say("pipe", preadv2(ends[0], &part, 1, -1, RWF_NOWAIT));
	say("write", pwritev2(file, &part, 1, -1, 0));
	say("write", pwritev2(file, &part, 1, -1, RWF_DSYNC));
	say("to", lseek(file, 0, SEEK_CUR));
	lseek(file, 1, SEEK_SET);
	say("append", pwritev2(file, &part, 1, -1, RWF_APPEND));
	say("to", lseek(file, 0, SEEK_CUR));
	say("append at 1", pwritev2(file, &part, 1, 1, RWF_APPEND));
	say("to", lseek(file, 0, SEEK_CUR));
	say("size", lseek(file, 0, SEEK_END));
	say("read", preadv2(file, &part, 1, -1, RWF_HIPRI));
	say("append to a pipe", pwritev2(ends[1], &part, 1, -1, RWF_APPEND));
	return 0;
}
