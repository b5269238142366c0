/* Threads that take turns, jump, are cancelled, end in a nested call; values of theirs with destructors. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, noclone))
#define NO_TAIL_CALL __asm__ volatile("" ::: "memory")

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static __thread jmp_buf back;
static long turn, sum;

OUT_OF_LINE long leaf(long n)
{
	NO_TAIL_CALL;
	return n + 1;
}

OUT_OF_LINE void destroy(void *value)
{
	sum += leaf((long)value);
	NO_TAIL_CALL;
}

OUT_OF_LINE void make_key(void)
{
	pthread_key_create(&key, destroy);
	NO_TAIL_CALL;
}

OUT_OF_LINE void undo(void *value)
{
	leaf(*(long *)value);
	NO_TAIL_CALL;
}

OUT_OF_LINE long wait_turn(long mine)
{
	pthread_mutex_lock(&lock);
	while (turn != mine)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return leaf(mine) - 1;
}

OUT_OF_LINE void next_turn(void)
{
	pthread_mutex_lock(&lock);
	turn++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	NO_TAIL_CALL;
}

OUT_OF_LINE long ends(long n)
{
	long deeper;

	if (n == 0) {
		leaf(0);
		pthread_exit(NULL);
	}
	deeper = ends(n - 1);
	NO_TAIL_CALL;
	return deeper + 1;
}

OUT_OF_LINE long blocks(long n)
{
	long value = n;

	pthread_cleanup_push(undo, &value);
	if (n)
		blocks(n - 1);
	next_turn();
	for (;;)
		pause();
	pthread_cleanup_pop(1);
	return value;
}

OUT_OF_LINE void throws(long n)
{
	if (n)
		throws(n - 1);
	else
		longjmp(back, 1);
	NO_TAIL_CALL;
}

OUT_OF_LINE long catches(long n)
{
	if (!setjmp(back))
		throws(n);
	return leaf(n) - 1;
}

OUT_OF_LINE void *taker(void *id)
{
	pthread_once(&once, make_key);
	pthread_setspecific(key, id);
	for (long i = 0; i < 3; i++) {
		wait_turn((long)id + 3 * i);
		catches(i);
		next_turn();
	}
	return id;
}

OUT_OF_LINE void *ender(void *value)
{
	pthread_setspecific(key, value);
	ends(3);
	NO_TAIL_CALL;
	return value;
}

OUT_OF_LINE void *cancelled(void *value)
{
	blocks(2);
	NO_TAIL_CALL;
	return value;
}

int main(void)
{
	pthread_t threads[3], other;

	for (long i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, taker, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	pthread_create(&other, NULL, ender, (void *)40);
	pthread_join(other, NULL);
	pthread_create(&other, NULL, cancelled, NULL);
	wait_turn(10);
	pthread_cancel(other);
	pthread_join(other, NULL);
	printf("%ld\n", sum);
	return 0;
}
