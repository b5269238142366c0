/* What a signal handler finds on its stack, in numbers that do not depend on where things are mapped. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static char altstack[65536] __attribute__((aligned(16)));
static volatile uint64_t pc_skip;
static volatile uint64_t target;
static sigjmp_buf back;
static const char *volatile what;

static void records(ucontext_t *c)
{
	unsigned char *p = (unsigned char *)c->uc_mcontext.__reserved;
	printf(" records");
	for (;;) {
		uint32_t magic, size;
		memcpy(&magic, p, 4); memcpy(&size, p + 4, 4);
		printf(" %x:%u", magic, size);
		if (magic == 0x45535201) { uint64_t esr; memcpy(&esr, p + 8, 8); printf("(ec %lx il %lx wnr %lx)", esr >> 26, esr >> 25 & 1, esr >> 6 & 1); }
		if (!magic) break;
		p += size;
	}
	printf("\n");
}

static void show(int sig, siginfo_t *si, void *u)
{
	ucontext_t *c = u;
	uint64_t fp = (uint64_t)__builtin_frame_address(0);
	uint64_t *record = (uint64_t *)((char *)si + 4688);
	int *words = (int *)si, used = 0;
	for (int i = 4; i < 32; i++) if (words[i]) used = i + 1;
	printf("%s: sig %d signo %d errno %d code %d words-used<=%d", what, sig, si->si_signo, si->si_errno, si->si_code, used <= 8 ? 8 : used);
	printf(" uc-info %ld mctx-uc %ld align %ld", (long)((char *)c - (char *)si), (long)((char *)&c->uc_mcontext - (char *)c), (long)((uint64_t)si & 15));
	printf(" flags %lx link %lx", (long)c->uc_flags, (long)c->uc_link);
	printf(" stack %d %d %ld", c->uc_stack.ss_sp == altstack, c->uc_stack.ss_flags, (long)c->uc_stack.ss_size);
	uint64_t mask; memcpy(&mask, &c->uc_sigmask, 8);
	printf(" mask %lx", mask);
	printf(" record %d %d", record[0] == c->uc_mcontext.regs[29], record[1] == c->uc_mcontext.regs[30]);
	printf(" onalt %d", (char *)fp >= altstack && (char *)fp < altstack + sizeof altstack);
	uint64_t low = c->uc_mcontext.sp;
	if (!((char *)fp >= altstack && (char *)fp < altstack + sizeof altstack))
		printf(" sp-frame %ld", (long)(((low - 16) & ~15ul) - (uint64_t)si));
	printf(" pstate %lx", (unsigned long)c->uc_mcontext.pstate & ~0xf0000000ul);
	records(c);
	sigset_t now; sigprocmask(0, 0, &now); memcpy(&mask, &now, 8);
	printf("  handler mask %lx", mask);
	if (si->si_code > 0 && si->si_code < 128 && sig != SIGTRAP) printf(" addr %lx-%d fault_address %lx", (uint64_t)si->si_addr == c->uc_mcontext.pc || what[0] == 'w' ? 0 : (unsigned long)si->si_addr, (uint64_t)si->si_addr == c->uc_mcontext.pc, what[0] == 'w' ? 0 : (unsigned long)c->uc_mcontext.fault_address);
	printf(" pending-pid %d", si->si_code <= 0 && si->si_code != SI_TIMER ? si->si_pid == getpid() : -1);
	stack_t ss; sigaltstack(0, &ss);
	printf(" ss %d\n", ss.ss_flags);
	fflush(stdout);
	c->uc_mcontext.pc += pc_skip;
	pc_skip = 0;
}

static void handle(int sig, int flags, int blocked)
{
	struct sigaction sa = { .sa_sigaction = show, .sa_flags = SA_SIGINFO | flags };
	if (blocked) sigaddset(&sa.sa_mask, blocked);
	sigaction(sig, &sa, 0);
}

static void simple(int sig) { printf("%s: simple %d\n", what, sig); fflush(stdout); }

static void jump(int sig, siginfo_t *si, void *u) { printf("%s: jump %d code %d addr %+ld\n", what, sig, si->si_code, (long)((uint64_t)si->si_addr - target)); fflush(stdout); siglongjmp(back, 1); }

int main(void)
{
	setvbuf(stdout, 0, _IOFBF, 65536);
	handle(SIGUSR1, 0, 0); what = "raise"; raise(SIGUSR1);
	handle(SIGUSR1, SA_NODEFER, SIGUSR2); what = "nodefer+mask"; kill(getpid(), SIGUSR1);
	handle(SIGUSR1, SA_RESETHAND, 0); what = "resethand"; raise(SIGUSR1);
	struct sigaction old; sigaction(SIGUSR1, 0, &old); printf("after: default %d\n", old.sa_handler == SIG_DFL);
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof altstack }; sigaltstack(&ss, 0);
	handle(SIGUSR1, 0, 0); what = "altstack unused"; raise(SIGUSR1);
	handle(SIGUSR1, SA_ONSTACK, 0); what = "altstack"; raise(SIGUSR1);
	what = "sigqueue"; union sigval v = { .sival_int = 42 }; sigqueue(getpid(), SIGUSR1, v);
	handle(SIGSEGV, 0, 0); handle(SIGBUS, 0, 0); handle(SIGILL, 0, 0); handle(SIGTRAP, 0, 0);
	what = "null read"; pc_skip = 4; asm volatile("mov x9, #0x18\n ldr x9, [x9]" ::: "x9", "memory");
	what = "after a fault"; raise(SIGUSR1);
	what = "null write"; pc_skip = 4; asm volatile("mov x9, #0x28\n str x9, [x9]" ::: "x9", "memory");
	char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	what = "kernel address"; pc_skip = 4; asm volatile("mov x9, #-4096\n ldr x9, [x9]" ::: "x9", "memory");
	what = "non-canonical"; pc_skip = 4; asm volatile("mov x9, #0x10000\n movk x9, #0x80, lsl #48\n ldr x9, [x9]" ::: "x9", "memory");
	what = "udf"; pc_skip = 4; asm volatile("udf #1");
	what = "after udf"; raise(SIGUSR1);
	what = "hvc"; pc_skip = 4; asm volatile(".inst 0xd4000002");
	what = "mrs el1"; pc_skip = 4; asm volatile(".inst 0xd5384240" ::: "x0");
	handle(SIGTRAP, 0, 0);
	what = "brk"; pc_skip = 4; asm volatile("brk #1");
	what = "write to read-only"; pc_skip = 4; asm volatile("strb wzr, [%0]" :: "r"(ro) : "memory");
	what = "execute data"; struct sigaction sj = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO }; sigaction(SIGSEGV, &sj, 0); sigaction(SIGBUS, &sj, 0); sigaction(SIGILL, &sj, 0);
	target = (uint64_t)ro; if (!sigsetjmp(back, 1)) ((void (*)(void))ro)();
	FILE *f = tmpfile(); char *beyond = mmap(0, 8192, PROT_READ, MAP_PRIVATE, fileno(f), 0);
	what = "beyond the file"; target = (uint64_t)beyond; if (!sigsetjmp(back, 1)) (void)*(volatile char *)beyond;
	what = "odd pc"; target = (uint64_t)&simple; if (!sigsetjmp(back, 1)) ((void (*)(void))(((uint64_t)&simple) + 2 - 0))();
	what = "jump to null"; target = 0; if (!sigsetjmp(back, 1)) { void (*volatile nowhere)(void) = 0; nowhere(); }
	what = "unaligned exclusive"; static long w[2]; target = (uint64_t)w; if (!sigsetjmp(back, 1)) { asm volatile("ldxr x9, [%0]" :: "r"((char *)w + 4) : "x9"); }
	return 0;
}
