/* Processes whose results depend on who was first: a pool of jobs as make -j4 has it, pipes that fill slowly, signals into
   work, lines of several writers, tickets in shared memory.  Prints what each of them saw. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile long counted, ends, signals, at[64];

__attribute__((noinline)) void work(long n)
{
	for (long i = 0; i < n; i++)
		__asm__ volatile("" ::"r"(i) : "memory");
}

static void on_child(int signo)
{
	(void)signo;
	ends++;
}

static void on_signal(int signo)
{
	(void)signo;
	if (signals < 64)
		at[signals++] = counted;
}

static void handle(int signo, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigaction(signo, &action, NULL);
}

static void print_numbers(const char *what, const volatile long *numbers, long count)
{
	char line[1024];
	int used = snprintf(line, sizeof(line), "%s", what);

	for (long i = 0; i < count; i++)
		used += snprintf(line + used, sizeof(line) - used, " %ld", numbers[i]);
	line[used++] = '\n';
	write(1, line, used);
}

/* Reads what a child of its own writes in pieces: how much came at a time. */
static int job(int number)
{
	long sizes[64] = {getpid()}, count = 1, got;
	char bytes[256];
	int ends_of[2];

	pipe(ends_of);
	if (!fork()) {
		for (int i = 0; i < 8; i++) {
			work(number * 7919 % 30011);
			write(ends_of[1], bytes, 16);
		}
		_exit(0);
	}
	close(ends_of[1]);
	while ((got = read(ends_of[0], bytes, sizeof(bytes))) > 0 && count < 64) {
		sizes[count++] = got;
		work(number * 104729 % 50021);
	}
	wait(NULL);
	print_numbers("job", sizes, count);
	return number;
}

static void pool(void)
{
	int running = 0, started = 0, status;

	while (started < 10 || running) {
		if (started < 10 && running < 4) {
			if (!fork())
				_exit(job(started));
			started++, running++;
			continue;
		}
		long seen[] = {wait(&status), WEXITSTATUS(status), ends};
		running--;
		print_numbers("ended", seen, 3);
	}
}

static void interrupted(void)
{
	pid_t parent = getpid();
	long before = ends;

	if (!fork()) {
		for (int i = 0; i < 12; i++) {
			work(900000);
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	while (ends == before)
		counted++;
	wait(NULL);
	print_numbers("interrupted at", at, signals);
}

static void writers(void)
{
	for (long child = 0; child < 4; child++)
		if (!fork()) {
			for (long line = 0; line < 5; line++) {
				long seen[] = {child, line};
				struct timespec pause = {0, (child * 7 + line * 3) % 5 * 400000};
				work((child + 1) * 60000);
				print_numbers("line", seen, 2);
				nanosleep(&pause, NULL);
			}
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

static void tickets(void)
{
	long *next = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (long child = 0; child < 3; child++)
		if (!fork()) {
			long mine[12];
			for (int i = 0; i < 12; i++) {
				work(200000);
				mine[i] = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST);
			}
			print_numbers("tickets", mine, 12);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

int main(void)
{
	struct timespec now;

	handle(SIGCHLD, on_child);
	handle(SIGUSR1, on_signal);
	pool();
	interrupted();
	writers();
	tickets();
	clock_gettime(CLOCK_MONOTONIC, &now);
	long end[] = {now.tv_sec, now.tv_nsec, counted};
	print_numbers("end", end, 3);
	return 0;
}
