#include "case.h"
/* Code that mremap takes elsewhere and back; its breakpoints go along, what it returns to stays. */
#define PAGE __attribute__((aligned(4096)))
NI PAGE long fn(long x) { asm volatile("nop"); return x + 17; }
NI PAGE static void look(const char *w, void *f) { printf("%s %08x %08x\n", w, *(unsigned *)f, ((unsigned *)f)[1]); }
typedef long (*F)(long);
int main(void) {
	long s = fn(1); look("at home", fn);
	char *m = mremap(fn, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x20000000); s += ((F)m)(2); look("away", m);
	pid_t p = fork(); if (!p) _exit(((F)m)(3)); int st; waitpid(p, &st, 0); printf("child %d\n", WEXITSTATUS(st));
	m = mremap(m, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, fn); s += fn(4); look("back", fn); printf("sum %ld\n", s); return 0; }
