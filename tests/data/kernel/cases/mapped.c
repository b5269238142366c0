#include "case.h"
/* The program maps its own file again: executable, read-only, writable, shared; and calls what it maps. */
NI long fn(long x) { asm volatile(""); return x + 5; }
typedef long (*F)(long);
extern char __executable_start[];
int main(int c, char **v) {
	int fd = open(v[0], O_RDONLY); long off = (long)fn - (long)__executable_start, sum = fn(1);
	char *x = mmap((void *)0x10000000, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	sum += ((F)(x + off))(2);
	printf("exec %08x\n", *(unsigned *)(x + off));
	char *r = mmap((void *)0x20000000, 65536, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	printf("read %08x\n", *(unsigned *)(r + off));
	mprotect(r, 65536, PROT_READ | PROT_EXEC);
	sum += ((F)(r + off))(3);
	char *w = mmap((void *)0x30000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	printf("write %08x\n", *(unsigned *)(w + off));
	mprotect(w, 65536, PROT_READ | PROT_EXEC);
	sum += ((F)(w + off))(4);
	char *s = mmap((void *)0x40000000, 65536, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0);
	printf("shared %08x\n", *(unsigned *)(s + off));
	sum += ((F)(s + off))(5);
	char *p = mmap((void *)0x50000000, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, off & ~4095);
	sum += ((F)(p + (off & 4095)))(6);
	munmap(x, 65536);
	x = mmap((void *)0x10000000, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	sum += ((F)(x + off))(7);
	printf("sum %ld\n", sum);
	return 0;
}
