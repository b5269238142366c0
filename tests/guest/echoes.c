/* Reads lines, calls for each, and answers; forks for the line "fork". */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) int work(int n, const char *text)
{
	return n * 2 + (text[0] == '!');
}

int main(void)
{
	char line[64];
	int n = 0;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "fork") && fork() == 0) {
			_exit(work(100, "child") == 0);
		} else if (!strcmp(line, "fork")) {
			wait(NULL);
		}
		printf("%d\n", work(++n, line));
		fflush(stdout);
	}
	return 7;
}
