/* Calls that sleep as long as they are told, and leave nothing of their arguments behind. */
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long total;

/* Sleeps so many microseconds; its name is overwritten, and its arguments' registers are. */
__attribute__((noinline)) long nap(long microseconds, char *name)
{
	struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};

	total += microseconds;
	nanosleep(&time, NULL);
	memset(name, 'x', strlen(name));
	return -1;
}

__attribute__((noinline)) static void one(int number)
{
	char name[16] = {'n', (char)('a' + number % 7), 0};

	nap(100 * (number % 7) + 10, name);
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 50; i++)
		one(i);
	if (argc > 1 && !fork()) {
		char name[] = "child";
		nap(5000, name);
		_exit(0);
	}
	return argc > 1 && wait(NULL) < 0;
}
