/* Lines that are executed and lines that are not, by every kind of statement. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf back;

static int kind(int n)
{
	switch (n % 5) {
	case 0:
		return 10;
	case 1:
	case 2:
		n += 3;
		break;
	case 3:
		n *= 2;
		/* fall through */
	default:
		if (n > 1000)
			n = -n;
		else
			n++;
	}
	return n;
}

static int never(int a)
{
	int b = a;

	while (b < 10)
		b += 2;
	return b;
}

static void leaves(int deep)
{
	if (deep == 0)
		longjmp(back, 7);
	leaves(deep - 1);
	puts("not reached");
}

static int loops(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		if (i == 3)
			continue;
		if (i > 100)
			break;
		sum += i;
	}
	do {
		sum--;
	} while (sum > 5);
	return sum > 0 ? sum
		       : -1;
}

static int jumps(const char *text)
{
	if (!text)
		goto out;
	if (strlen(text) > 40) {
		text += 40;
		goto out;
	}
	return 1;
out:
	return 0;
}

static int both(int a, int b)
{
	return a > 0 &&
	       b > 0 &&
	       a + b > 100;
}

static int in_child(void)
{
	return write(1, "child\n", 6) == 6;
}

int main(int argc, char **argv)
{
	int total = 0;

	(void)argv;
	for (int i = 0; i < argc + 6; i += 5)
		total += kind(i);
	if (argc > 5)
		total += never(argc);
	if (setjmp(back) == 0)
		leaves(3);
	else
		total++;
	total += loops(6);
	total += jumps("short") + jumps(NULL);
	total += both(argc, 2);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		exit(!in_child());
	int status = 0;
	waitpid(child, &status, 0);
	printf("%d %d\n", total, status);
	return 0;
}
