/* Four threads race for a log; prints who came when, then a result that does not depend on it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char seen[4000];
static int at;
static volatile long sink;

static void *racer(void *a)
{
	for (int i = 0; i < 1000; i++) {
		seen[__atomic_fetch_add(&at, 1, __ATOMIC_SEQ_CST)] = (long)a;
		for (int k = 0; k < 20; k++) sink += k;
	}
	return 0;
}

int main(void)
{
	pthread_t t[4]; int count[4] = { 0 };
	for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, racer, (void *)i);
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	for (int i = 0, run = 0; i < 4000; i++) {
		count[seen[i]]++; run++;
		if (i == 3999 || seen[i + 1] != seen[i]) { printf("%d*%d ", seen[i], run); run = 0; }
	}
	printf("\n%d %d %d %d\n", count[0], count[1], count[2], count[3]);
	return 0;
}
