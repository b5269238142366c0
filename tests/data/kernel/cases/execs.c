#include "case.h"
/* A program that replaces itself while a return is pending, and is probed in both lives. */
NI int work(int n) { asm volatile(""); return n + 1; }
NI int again(int n, char **v) {
	char num[8]; char *args[] = { v[0], num, 0 };
	sprintf(num, "%d", n - 1);
	if (n) execv(v[0], args);
	asm volatile("");
	return n;
}
int main(int c, char **v) {
	int n = c > 1 ? atoi(v[1]) : 2;
	printf("life %d work %d\n", n, work(n));
	fflush(stdout);
	return again(n, v);
}
