/* Calls whose number is known, with moments at which a test may change what is probed.
 *
 * calls spin N         work() N times, mark() after every 100th; no system call between
 * calls wait           read a byte of standard input, work() ten times, until 'q' or the end
 * calls forever        work() for ever, without a system call
 * calls sleep          pause for ever after ten calls
 * calls threads N      four threads, work() N times each, output in the order in which they run
 * calls children N     four processes, work() N times each, then all sleep for ever
 * calls memory         map and touch memory until it is refused, then say how much there was
 * calls processes      fork until it is refused, then say how many there were
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, used))

static volatile long sum;

OUT_OF_LINE long work(long n)
{
	sum += n & 3;
	return n + 1;
}

OUT_OF_LINE long other(long n)
{
	sum += n & 1;
	return n;
}

OUT_OF_LINE long mark(long n)
{
	sum += 1;
	return n;
}

/* Its return comes after a mark: what is pending when the test changes something. */
OUT_OF_LINE long outer(long n)
{
	long found = mark(n) + other(n);

	sum += found & 1;
	return n;
}

static long spin(long count)
{
	for (long i = 1; i <= count; i++) {
		work(i);
		if (i % 100 == 0)
			outer(i / 100);
	}
	return count;
}

static void on_request(void)
{
	char c;

	while (read(0, &c, 1) == 1 && c != 'q') {
		for (int i = 0; i < 10; i++)
			work(i);
		if (write(1, "+", 1) != 1)
			return;
	}
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long shared_sum;
static char order[1 << 16];
static int at;

static void *thread(void *argument)
{
	long *given = argument;

	for (long i = 0; i < given[1]; i++) {
		work(given[0] * 1000 + i);
		pthread_mutex_lock(&lock);
		shared_sum += i;
		if (at < (int)sizeof order - 1)
			order[at++] = 'a' + given[0];
		pthread_mutex_unlock(&lock);
	}
	return 0;
}

static void threads(long count)
{
	pthread_t all[4];
	long given[4][2];

	for (int i = 0; i < 4; i++) {
		given[i][0] = i;
		given[i][1] = count;
		pthread_create(&all[i], 0, thread, given[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(all[i], 0);
	if (getenv("ORDER"))
		puts(order);
	printf("%ld\n", shared_sum);
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void children(long count)
{
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			break;
	for (long i = 0; i < count; i++)
		work(i);
	if (write(1, "+", 1) == 1)
		sleep_for_ever();
}

static void memory(void)
{
	size_t step = 1 << 20, have = 0;

	for (;;) {
		char *p = mmap(0, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, step);
		have += step;
		work(1);
	}
	printf("%zu MiB, then %s\n", have >> 20, errno == ENOMEM ? "ENOMEM" : strerror(errno));
}

static void processes(void)
{
	int made = 0;

	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			sleep_for_ever();
		if (pid < 0)
			break;
		made++;
		work(made);
	}
	printf("%d children, then %s\n", made, errno == EAGAIN ? "EAGAIN" : strerror(errno));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(what, "spin"))
		printf("%ld\n", spin(count));
	else if (!strcmp(what, "wait"))
		on_request();
	else if (!strcmp(what, "forever"))
		for (long i = 1;; i++)
			work(i);
	else if (!strcmp(what, "sleep"))
		for (spin(10);;)
			pause();
	else if (!strcmp(what, "threads"))
		threads(count);
	else if (!strcmp(what, "children"))
		children(count);
	else if (!strcmp(what, "memory"))
		memory();
	else if (!strcmp(what, "processes"))
		processes();
	else
		return 2;
	fflush(stdout);
	return 0;
}
