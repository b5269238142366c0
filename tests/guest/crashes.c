/* Ways to crash, one for each word: what is on the stack then is known. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALONE __attribute__((noinline, noclone))

static volatile int done; /* behind each call, so that none is a tail call */
static void (*volatile nothing)(void);
static char *volatile no_text;
static int *volatile nowhere;

ALONE void reads(void) { done = *nowhere; }
ALONE void fails(void) { abort(); done++; }
ALONE void calls_nothing(void) { nothing(); done++; }
ALONE void measures(void) { done = (int)strlen(no_text); }
ALONE void handles(int number) { reads(); done += number; }
ALONE void gives_up(int number) { fails(); done += number; }
ALONE void *works(void *what) { reads(); done++; return what; }

ALONE int deepens(int depth)
{
	volatile char room[8192];
	room[0] = (char)depth;
	return deepens(depth + 1) + room[0];
}

ALONE void forks(void)
{
	if (!fork())
		fails();
	wait(NULL);
}

ALONE void starts(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, works, NULL);
	pthread_join(thread, NULL);
}

ALONE void catches(int number, void (*handler)(int))
{
	signal(number, handler);
	if (number == SIGUSR1)
		raise(number);
	else
		calls_nothing();
	done++;
}

int main(int count, char **words)
{
	switch (words[count - 1][0]) {
	case 'a': fails(); break;
	case 'n': calls_nothing(); break;
	case 's': measures(); break;
	case 'h': catches(SIGUSR1, handles); break;
	case 'g': catches(SIGSEGV, gives_up); break;
	case 't': starts(); break;
	case 'd': deepens(1); break;
	case 'f': forks(); break;
	}
	done++;
	return 0;
}
