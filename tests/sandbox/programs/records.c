/* records PROCESSES: work(n) with n from 1 on, for ever, in that many processes; the first one's n is in "progress". */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) long work(long n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

int main(int count, char **arguments)
{
	struct timespec pause = {0, 1000000};
	int progress = open("progress", O_WRONLY | O_CREAT, 0600);

	for (int left = atoi(arguments[1]); left > 1; left--)
		if (!fork()) {
			progress = -1;
			break;
		}
	for (long n = 1;; n = work(n))
		if (n % 1000 == 0) {
			pwrite(progress, &n, sizeof n, 0);
			nanosleep(&pause, 0);
		}
}
