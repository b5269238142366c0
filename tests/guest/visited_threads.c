/* Three threads that take turns, and a signal. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;

__attribute__((noinline)) long step(long id, long i)
{
	long local = id * 100 + i;

	pthread_mutex_lock(&lock);
	sum += local;
	pthread_mutex_unlock(&lock);
	return local;
}

static void *work(void *id)
{
	for (long i = 0; i < 200; i++)
		step((long)id, i);
	return NULL;
}

static void on_signal(int number)
{
	sum += number;
}

int main(void)
{
	pthread_t threads[3];

	signal(SIGUSR1, on_signal);
	for (long i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	raise(SIGUSR1);
	printf("%ld\n", sum);
	return 0;
}
