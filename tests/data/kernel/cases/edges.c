#include "case.h"
/* Strings and arrays of them beside what cannot be read, and records of every length. */
char *table[] = { "zero", "one", (char *)5, "three", 0, "", "six six", "seven" };
char *deep[] = { "deep string", "deeper" }, big[4096];
NI long tick(long n, char **v, char *page, char **d) { asm volatile(""); return n * 3 - 7; }
NI void text(long n, const char *s) { asm volatile("" :: "r"(n), "r"(s)); }
int main(void) {
	char *m = mmap((void *)0x10000000, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	munmap(m + 4096, 4096);
	strcpy(m + 4090, "last");
	for (long n = 0; n < 5; n++) tick(n, table + n, m + 4088 + n, deep);
	tick(100, (char **)(m + 4096 - 16), m + 4096, deep + 1);
	tick(-1, (char **)8, (char *)-8, (char **)-1);
	tick(5, table + 6, m + 4090, (char **)4);
	memset(big, 'y', 4095);
	static const int sizes[] = { 4, 4043, 4044, 4059, 4060, 4090, 5 };
	for (int i = 0; i < 7; i++) text(sizes[i], big + 4095 - sizes[i]);
	puts("done");
	return 0;
}
