/* renewed FILE: prints its MARK, and if FILE is given, writes FILE over its own program and executes that. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifndef MARK
#define MARK 1
#endif

int main(int argc, char **argv)
{
	static char bytes[1 << 20];

	printf("%d\n", MARK);
	fflush(stdout);
	if (argc > 1) {
		int from = open(argv[1], O_RDONLY), to = open(argv[0], O_WRONLY | O_TRUNC);
		ssize_t size = read(from, bytes, sizeof(bytes));
		if (from < 0 || to < 0 || write(to, bytes, size) != size)
			return 1;
		close(from);
		close(to);
		execl(argv[0], argv[0], (char *)0);
	}
	return 0;
}
