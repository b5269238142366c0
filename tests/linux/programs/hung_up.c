/* select waits, and does not spin, while what it looks at for exceptions alone has hung up. */
#include <stdio.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	int gone[2], alive[2], found;
	fd_set readable, exceptional;

	if (pipe(gone) || pipe(alive))
		return 1;
	close(gone[1]);
	if (!fork()) {
		struct timespec moment = {0, 5000000};

		nanosleep(&moment, 0);
		_exit(write(alive[1], "x", 1) != 1);
	}
	FD_ZERO(&readable);
	FD_ZERO(&exceptional);
	FD_SET(alive[0], &readable);
	FD_SET(gone[0], &exceptional);
	found = select(alive[0] + gone[0] + 1, &readable, 0, &exceptional, 0);
	printf("found %d: %d %d\n", found, FD_ISSET(alive[0], &readable), FD_ISSET(gone[0], &exceptional));
	return !wait(0);
}
