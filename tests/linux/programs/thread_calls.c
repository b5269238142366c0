/* Threads seen from the program: locks, conditions, robust and shared mutexes, raw futex calls, exits. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int counter, turns, readers, destroyed, onces;
static __thread int mine = 3;
static uint32_t word;

static long futex(uint32_t *a, int op, uint32_t v, void *t, uint32_t *a2, uint32_t v3) { return syscall(SYS_futex, a, op, v, t, a2, v3); }
static void say(const char *what, long a) { printf("%s: %ld\n", what, a); fflush(stdout); }
static void err(const char *what, long r) { printf("%s: %s %ld\n", what, r < 0 ? "errno" : "ok", r < 0 ? errno : r); fflush(stdout); }
static void init(void) { onces++; }
static void gone(void *p) { destroyed += *(int *)p; }
static void *adder(void *a)
{
	static int one = 1;
	pthread_once(&once, init); pthread_setspecific(key, &one);
	for (int i = 0; i < 500; i++) { pthread_mutex_lock(&lock); int c = counter; if (i % 50 == 0) sched_yield(); counter = c + 1; mine++; pthread_mutex_unlock(&lock); }
	pthread_barrier_wait(&barrier);
	return (void *)(intptr_t)mine;
}
static void *player(void *a)
{
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&lock);
		while (turns % 3 != (intptr_t)a) pthread_cond_wait(&cond, &lock);
		turns++; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&lock);
	}
	return 0;
}
static void *reader(void *a) { pthread_rwlock_rdlock(&rw); __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST); pthread_rwlock_unlock(&rw); sem_post(&sem); return 0; }
static void *owner_dies(void *m) { pthread_mutex_lock(m); return 0; }
static void cleanup(void *a) { say("cleanup", (intptr_t)a); }
static void *cancelled(void *a) { pthread_cleanup_push(cleanup, (void *)5); sem_post(&sem); for (;;) pause(); pthread_cleanup_pop(0); return 0; }
static void *spinner(void *a) { sem_post(&sem); while (!__atomic_load_n((int *)a, __ATOMIC_ACQUIRE)); return (void *)9; }
static void on_usr(int s) { mine = 100; }
static void *signalled(void *a) { sem_post(&sem); while (mine != 100) usleep(100); return (void *)(intptr_t)mine; }
static void *waiter(void *a) { sem_post(&sem); return (void *)futex(&word, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0); }
static void *bitwaiter(void *a) { sem_post(&sem); return (void *)futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, (uint32_t)(intptr_t)a); }
static void *last(void *a) { usleep(20000); say("last thread", 1); exit(7); }
static void *leaves(void *a) { usleep(10000); syscall(SYS_exit, 3); return 0; }
static void settle(int n) { while (n--) sem_wait(&sem); usleep(20000); }

int main(void)
{
	pthread_t t[4]; void *r; intptr_t sum = 0; struct timespec ts;
	pthread_key_create(&key, gone); sem_init(&sem, 0, 0); pthread_barrier_init(&barrier, 0, 4);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, adder, 0);
	for (int i = 0; i < 4; i++) { pthread_join(t[i], &r); sum += (intptr_t)r; }
	say("counter", counter); say("tls", sum); say("destroyed", destroyed); say("once", onces);
	for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, player, (void *)i);
	for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
	say("turns", turns);
	pthread_rwlock_wrlock(&rw); for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, reader, 0); usleep(10000); say("readers behind writer", readers); pthread_rwlock_unlock(&rw);
	for (int i = 0; i < 3; i++) pthread_join(t[i], 0); for (int i = 0; i < 3; i++) sem_wait(&sem); say("readers", readers);
	pthread_mutexattr_t a; pthread_mutexattr_init(&a); pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST); pthread_mutex_t m; pthread_mutex_init(&m, &a);
	pthread_create(t, 0, owner_dies, &m); pthread_join(*t, 0); int e = pthread_mutex_lock(&m); say("owner died", e == EOWNERDEAD); pthread_mutex_consistent(&m); pthread_mutex_unlock(&m); say("lock again", pthread_mutex_lock(&m)); pthread_mutex_unlock(&m);
	pthread_mutexattr_init(&a); pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT); pthread_mutex_init(&m, &a); pthread_mutex_lock(&m); say("pi trylock", pthread_mutex_trylock(&m) == EBUSY); pthread_mutex_unlock(&m);
	clock_gettime(CLOCK_REALTIME, &ts); ts.tv_nsec += 5000000; if (ts.tv_nsec >= 1000000000) ts.tv_sec++, ts.tv_nsec -= 1000000000; pthread_mutex_lock(&lock); e = pthread_cond_timedwait(&cond, &lock, &ts); say("cond timeout", e == ETIMEDOUT); pthread_mutex_unlock(&lock);
	pthread_create(t, 0, cancelled, 0); settle(1); pthread_cancel(*t); pthread_join(*t, &r); say("cancelled", r == PTHREAD_CANCELED);
	int go = 0; pthread_create(t, 0, spinner, &go); settle(1); __atomic_store_n(&go, 1, __ATOMIC_RELEASE); pthread_join(*t, &r); say("spinner", (intptr_t)r);
	signal(SIGUSR1, on_usr); pthread_create(t, 0, signalled, 0); settle(1); pthread_kill(*t, SIGUSR1); pthread_join(*t, &r); say("signalled", (intptr_t)r); say("main's own", mine);
	/* raw futex */
	err("wait, other value", futex(&word, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0)); ts.tv_sec = 0; ts.tv_nsec = 1000000; err("wait, timeout", futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, 0, 0)); ts.tv_nsec = 2000000000; err("wait, bad time", futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, 0, 0));
	err("misaligned", futex((uint32_t *)((char *)&word + 1), FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)); err("bad pointer", futex((uint32_t *)16, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0)); err("bad op", futex(&word, 99, 1, 0, 0, 0)); err("no bits", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, 0, 0, 0));
	for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, waiter, 0); settle(3); err("wake 2", futex(&word, FUTEX_WAKE_PRIVATE, 2, 0, 0, 0)); err("wake rest", futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0)); for (int i = 0; i < 3; i++) pthread_join(t[i], &r);
	uint32_t other = 0; for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, waiter, 0); settle(3); err("requeue, other value", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)INT_MAX, &other, 5)); err("requeue", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)INT_MAX, &other, 0)); err("wake old", futex(&word, FUTEX_WAKE_PRIVATE, 9, 0, 0, 0)); err("wake new", futex(&other, FUTEX_WAKE_PRIVATE, 9, 0, 0, 0)); for (int i = 0; i < 3; i++) pthread_join(t[i], &r);
	pthread_create(t, 0, bitwaiter, (void *)2); pthread_create(t + 1, 0, bitwaiter, (void *)4); settle(2); err("wake bit 1", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, 0, 0, 1)); err("wake bit 4", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, 0, 0, 4)); err("wake any", futex(&word, FUTEX_WAKE_PRIVATE, 9, 0, 0, 0)); pthread_join(t[0], 0); pthread_join(t[1], 0);
	other = 4; pthread_create(t, 0, waiter, 0); settle(1); err("wake op", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 4))); say("after op", other); pthread_join(*t, 0);
	err("pi lock", futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0)); say("owner", word == (uint32_t)syscall(SYS_gettid)); err("pi again", futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0)); err("pi unlock", futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0)); err("pi unlock again", futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
	/* a mutex between processes */
	struct shared { pthread_mutex_t m; pthread_cond_t c; int n; } *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_condattr_t ca; pthread_condattr_init(&ca); pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED); pthread_cond_init(&s->c, &ca); pthread_mutexattr_init(&a); pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED); pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST); pthread_mutex_init(&s->m, &a);
	for (int p = 0; p < 2; p++) if (!fork()) { for (int i = 0; i < 50; i++) { pthread_mutex_lock(&s->m); s->n++; pthread_cond_signal(&s->c); pthread_mutex_unlock(&s->m); } _exit(0); }
	pthread_mutex_lock(&s->m); while (s->n < 100) pthread_cond_wait(&s->c, &s->m); pthread_mutex_unlock(&s->m); say("shared", s->n); while (wait(0) > 0);
	if (!fork()) { pthread_mutex_lock(&s->m); _exit(0); } wait(0); say("owner process died", pthread_mutex_lock(&s->m) == EOWNERDEAD);
	/* endings */
	int st; if (!fork()) { pthread_create(t, 0, last, 0); pthread_exit(0); } wait(&st); printf("main thread first: %x\n", st);
	if (!fork()) { pthread_create(t, 0, leaves, 0); syscall(SYS_exit, 4); } wait(&st); printf("plain exits: %x\n", st);
	if (!fork()) { pthread_create(t, 0, spinner, &counter + 1); *(volatile int *)8 = 0; } wait(&st); printf("fault among threads: signal %d\n", WTERMSIG(st));
	if (!fork()) { int never = 0; pthread_create(t, 0, spinner, &never); sem_wait(&sem); _exit(6); } wait(&st); printf("exit_group over a spinner: %x\n", st);
	char name[17] = ""; prctl(PR_SET_NAME, "a name that is too long"); prctl(PR_GET_NAME, name); printf("name: %s\n", name);
	return 0;
}
