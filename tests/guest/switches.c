/* Calls on other stacks: a handler on one of its own that leaves by siglongjmp, and coroutines ("switch"). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#define OUT_OF_LINE __attribute__((noinline, used))

static sigjmp_buf back;
static ucontext_t around, inside;
static char handlers[32768], coroutine[32768];
static volatile int sum;

OUT_OF_LINE int leaf(int n)
{
	sum += n;
	return n;
}

OUT_OF_LINE void on_fault(int signal)
{
	leaf(signal);
	siglongjmp(back, 1);
}

OUT_OF_LINE void faults(volatile int *where)
{
	leaf(1);
	*where = 1;
	leaf(2);
}

OUT_OF_LINE void tries(int n)
{
	for (volatile int i = 0; i < n; i++)
		if (!sigsetjmp(back, 1))
			faults((volatile int *)8);
	leaf(3);
}

OUT_OF_LINE void body(void)
{
	leaf(4);
	swapcontext(&inside, &around);
	leaf(5);
}

OUT_OF_LINE void switches(void)
{
	getcontext(&inside);
	inside.uc_stack.ss_sp = coroutine;
	inside.uc_stack.ss_size = sizeof(coroutine);
	inside.uc_link = &around;
	makecontext(&inside, body, 0);
	swapcontext(&around, &inside);
	leaf(6);
	swapcontext(&around, &inside);
	leaf(7);
}

int main(int argc, char **argv)
{
	stack_t stack = {.ss_sp = handlers, .ss_size = sizeof(handlers)};
	struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};

	(void)argv;
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (argc > 1)
		switches();
	else
		tries(3);
	return 0;
}
