#include "case.h"
/* Pointers with a tag: the processor ignores it, a kernel that fetches an argument does not, and a page that went is gone under every tag. */
static sigjmp_buf out; static volatile int sum;
static void gone(int s, siginfo_t *i, void *u) { printf("gone %lx %d\n", (long)i->si_addr, i->si_code); siglongjmp(out, 1); }
NI void see(const char *p, const char **q) { asm volatile("" :: "r"(p), "r"(q)); }
NI void touch(const char *p) { if (!sigsetjmp(out, 1)) { sum += *(volatile const char *)p; printf("read %c\n", *p); } }
static char *tag(char *p, long t) { return (char *)((long)p | t << 56); }
int main(void) {
	struct sigaction a = { .sa_sigaction = gone, .sa_flags = SA_SIGINFO }; sigaction(SIGSEGV, &a, 0);
	char *p = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); strcpy(p, "plain text");
	const char *v[2] = { tag(p, 0x5a), p };
	see(p, v); see(tag(p, 1), v); see(tag(p, 0xff), (const char **)tag((char *)v, 0x80)); see(p + (1L << 48), v + 1); see((char *)0xffffffffffff, 0);
	for (int i = 0; i < 3; i++) { char *t = tag(p, i * 0x34); touch(t); mprotect(p, 4096, PROT_NONE); touch(t); mprotect(p, 4096, PROT_READ | PROT_WRITE); touch(t); }
	touch(tag(p, 9)); munmap(p, 4096); touch(tag(p, 9)); puts("end"); return 0; }
