/* Programs in company: threads, signals, fork, an alternate stack, coroutines.
 * Every part prints what it found, independent of the order in which threads ran.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digest.h"

KEEP int64_t work(int64_t a, int64_t b) { BARRIER(); return a * 5 + b; }
KEEP int64_t locked(int64_t *shared, int64_t by) { BARRIER(); return *shared += by; }

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t total;

static void *thread(void *arg)
{
	int64_t sum = 0;

	for (int i = 0; i < 40; i++) {
		sum += work((int64_t)(intptr_t)arg, i);
		pthread_mutex_lock(&lock);
		locked(&total, i);
		pthread_mutex_unlock(&lock);
	}
	return (void *)(intptr_t)sum;
}

static volatile sig_atomic_t caught;
static sigjmp_buf env;
KEEP int inside(int sig) { BARRIER(); return ++caught + sig; }
static void count(int sig) { inside(sig); }
static void escape(int sig) { inside(sig); siglongjmp(env, sig); }
KEEP int raising(int sig) { raise(sig); BARRIER(); return caught; }
KEEP int crash(volatile int *p) { return *p; }
KEEP int guarded(int *p) { return sigsetjmp(env, 1) ? -1 : crash(p); }

KEEP int in_child(int n) { BARRIER(); return n * 2; }
KEEP int forking(int n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(in_child(n));
	waitpid(pid, &status, 0);
	BARRIER();
	return WEXITSTATUS(status) + 1;
}

int main(void)
{
	pthread_t threads[4];
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction counting = { .sa_handler = count, .sa_flags = SA_ONSTACK };
	struct sigaction escaping = { .sa_handler = escape, .sa_flags = SA_ONSTACK };

	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], 0, thread, (void *)i);
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		printf("thread %d %ld\n", i, (long)(intptr_t)result);
	}
	printf("total %lld\n", (long long)total);
	sigaltstack(&alt, 0);
	sigaction(SIGUSR1, &counting, 0);
	sigaction(SIGSEGV, &escaping, 0);
	for (int i = 0; i < 3; i++)
		printf("raised %d\n", raising(SIGUSR1));
	printf("guarded %d\n", guarded((int *)16));
	printf("forked %d\n", forking(20));
	return 0;
}
