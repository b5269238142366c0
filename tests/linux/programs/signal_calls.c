/* Signals seen from the program: order, masks, restarts, waits, timers. Prints nothing that depends on time or place. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char log_[512];
static int depth;
static void note(const char *format, int a, int b) { char t[64]; snprintf(t, sizeof t, format, a, b); strcat(log_, t); }
static void flush_log(const char *what) { printf("%s:%s\n", what, log_); log_[0] = 0; fflush(stdout); }
static void h(int s, siginfo_t *si, void *u) { note(" %d(%d)", s, si->si_code); }
static void hv(int s, siginfo_t *si, void *u) { note(" %d=%d", s, si->si_value.sival_int); }
static void nested(int s) { note(" <%d", s, 0); if (++depth < 3) raise(s); note(" %d>", s, 0); }
static void chld(int s, siginfo_t *si, void *u) { note(" chld code %d status %d", si->si_code, si->si_status); }
static void on(int s, void (*f)(int, siginfo_t *, void *), int flags) { struct sigaction a = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags }; sigaction(s, &a, 0); }
static sigset_t set1(int a) { sigset_t s; sigemptyset(&s); sigaddset(&s, a); return s; }
static void alarm_in(int ms) { struct itimerval t = { { 0, 0 }, { ms / 1000, ms % 1000 * 1000 } }; setitimer(ITIMER_REAL, &t, 0); }
static const char *err(long r) { static char t[16]; if (r >= 0) return "ok"; snprintf(t, sizeof t, "errno %d", errno); return t; }

int main(void)
{
	sigset_t all, none, s; sigfillset(&all); sigemptyset(&none);
	/* pending signals: lowest number first, so its frame is the deepest and it runs last */
	for (int i = 0; i < 3; i++) on((int[]){ SIGUSR1, SIGUSR2, SIGTERM }[i], h, 0);
	sigprocmask(SIG_BLOCK, &all, &s);
	kill(getpid(), SIGTERM); kill(getpid(), SIGUSR2); kill(getpid(), SIGUSR1); kill(getpid(), SIGUSR1);
	sigset_t p; sigpending(&p); printf("pending %d %d %d %d\n", sigismember(&p, SIGUSR1), sigismember(&p, SIGUSR2), sigismember(&p, SIGTERM), sigismember(&p, SIGHUP));
	sigprocmask(SIG_SETMASK, &s, 0); flush_log("burst");
	/* realtime signals queue with their values */
	for (int i = 0; i < 3; i++) on(SIGRTMIN + i, hv, 0);
	sigprocmask(SIG_BLOCK, &all, &s);
	for (int i = 0; i < 6; i++) { union sigval v = { .sival_int = i }; sigqueue(getpid(), SIGRTMIN + (5 - i) % 3, v); }
	char order[512]; sigprocmask(SIG_SETMASK, &s, 0);
	strcpy(order, log_); for (char *c = order; *c; c++) if (*c == '=') *c = ' '; log_[0] = 0;
	int base = SIGRTMIN, n, v; char *q = order; printf("realtime:"); while (sscanf(q, " %d %d%n", &n, &v, &depth) == 2) { printf(" +%d=%d", n - base, v); q += depth; } printf("\n"); depth = 0;
	/* thread-directed before process-directed */
	sigprocmask(SIG_BLOCK, &all, &s); kill(getpid(), SIGUSR1); syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), SIGUSR2); sigprocmask(SIG_SETMASK, &s, 0); flush_log("private first");
	struct sigaction sn = { .sa_handler = nested, .sa_flags = SA_NODEFER }; sigaction(SIGUSR1, &sn, 0); raise(SIGUSR1); flush_log("nodefer");
	depth = 0; sn.sa_flags = 0; sigaction(SIGUSR1, &sn, 0); raise(SIGUSR1); flush_log("deferred"); depth = 0;
	/* ignored signals */
	signal(SIGUSR1, SIG_IGN); raise(SIGUSR1); sigprocmask(SIG_BLOCK, &all, &s); raise(SIGUSR1); sigpending(&p); printf("ignored while blocked: pending %d\n", sigismember(&p, SIGUSR1)); on(SIGUSR1, h, 0); sigprocmask(SIG_SETMASK, &s, 0); flush_log("ignored then caught");
	sigprocmask(SIG_BLOCK, &all, &s); raise(SIGUSR1); signal(SIGUSR1, SIG_IGN); on(SIGUSR1, h, 0); sigprocmask(SIG_SETMASK, &s, 0); flush_log("pending dropped by ignore");
	/* errors */
	struct sigaction bad = { .sa_handler = SIG_IGN };
	int r = sigaction(SIGKILL, &bad, 0); printf("catch KILL: %s\n", err(r)); r = syscall(SYS_rt_sigaction, 65, 0, 0, 8); printf("action 65: %s\n", err(r));
	r = syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4); printf("size 4: %s\n", err(r)); r = syscall(SYS_rt_sigprocmask, 7, &all, 0, 8); printf("how 7: %s\n", err(r));
	r = syscall(SYS_rt_sigprocmask, 7, 0, &s, 8); printf("how 7 without set: %s\n", err(r)); r = syscall(SYS_rt_sigaction, SIGUSR1, 8, 0, 8); printf("bad pointer: %s\n", err(r));
	r = kill(getpid(), 65); printf("kill 65: %s\n", err(r)); r = kill(99999, 0); printf("kill nobody: %s\n", err(r)); r = kill(getpid(), 0); printf("kill 0: %s\n", err(r));
	r = syscall(SYS_tgkill, getpid(), 99999, 0); printf("tgkill nobody: %s\n", err(r)); r = syscall(SYS_tgkill, 0, 1, 0); printf("tgkill 0: %s\n", err(r));
	stack_t ss = { .ss_sp = log_, .ss_size = 1024 }; r = syscall(SYS_sigaltstack, &ss, 0); printf("small altstack: %s\n", err(r)); ss.ss_flags = 77; r = syscall(SYS_sigaltstack, &ss, 0); printf("altstack flags: %s\n", err(r));
	siginfo_t si; memset(&si, 0, sizeof si); si.si_code = SI_USER; r = syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si); printf("queue as kernel: %s\n", err(r));
	/* interrupted and restarted calls */
	int fd[2]; pipe(fd); char c; on(SIGALRM, h, 0); alarm_in(20); r = read(fd[0], &c, 1); printf("read: %s", err(r)); flush_log("");
	on(SIGALRM, h, SA_RESTART); if (!fork()) { usleep(60000); write(fd[1], "x", 1); _exit(0); } alarm_in(20); r = read(fd[0], &c, 1); printf("read with SA_RESTART: %d", r); flush_log(""); wait(0);
	alarm_in(20); struct timespec t = { 0, 90000000 }, left = { 0, 0 }; r = nanosleep(&t, &left); printf("nanosleep: %s left %d", err(r), left.tv_nsec > 0 && left.tv_nsec < 90000000); flush_log("");
	signal(SIGUSR1, SIG_IGN); if (!fork()) { usleep(10000); kill(getppid(), SIGUSR1); _exit(0); } t.tv_nsec = 40000000; r = nanosleep(&t, &left); printf("nanosleep with ignored signal: %s\n", err(r)); wait(0);
	struct pollfd pf = { fd[0], POLLIN }; alarm_in(20); r = poll(&pf, 1, 1000); printf("poll: %s", err(r)); flush_log("");
	alarm_in(20); fd_set f; FD_ZERO(&f); FD_SET(fd[0], &f); r = select(fd[0] + 1, &f, 0, 0, 0); printf("select: %s", err(r)); flush_log("");
	alarm_in(20); r = pause(); printf("pause: %s", err(r)); flush_log("");
	on(SIGUSR1, h, 0); sigset_t u = set1(SIGUSR1), was; sigprocmask(SIG_BLOCK, &u, 0); raise(SIGUSR1); r = sigsuspend(&none); printf("sigsuspend: %s", err(r)); sigprocmask(0, 0, &was); note(" still blocked %d", sigismember(&was, SIGUSR1), 0); flush_log("");
	raise(SIGUSR1); t.tv_sec = 1; r = ppoll(&pf, 1, &t, &none); printf("ppoll: %s", err(r)); sigprocmask(0, 0, &was); note(" still blocked %d", sigismember(&was, SIGUSR1), 0); flush_log("");
	t.tv_sec = 0; t.tv_nsec = 1000000; r = ppoll(&pf, 1, &t, &none); printf("ppoll timeout: %d\n", r);
	raise(SIGUSR1); r = syscall(SYS_rt_sigtimedwait, &u, &si, 0, 8); printf("sigwaitinfo %d code %d self %d\n", r, si.si_code, si.si_pid == getpid()); r = sigtimedwait(&u, &si, &t); printf("sigtimedwait: %s\n", err(r)); t.tv_nsec = 0; r = sigtimedwait(&u, &si, &t); printf("sigtimedwait now: %s\n", err(r));
	alarm_in(20); r = syscall(SYS_rt_sigtimedwait, &u, &si, 0, 8); printf("sigwaitinfo interrupted: %s", err(r)); flush_log("");
	/* timers */
	timer_t id; union sigval tv = { .sival_int = 7 }; struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = tv }; timer_create(CLOCK_MONOTONIC, &ev, &id);
	struct itimerspec its = { { 0, 1000000 }, { 0, 1000000 } }, now; timer_settime(id, 0, &its, 0); usleep(30000); memset(&its, 0, sizeof its); timer_settime(id, 0, &its, 0);
	r = sigwaitinfo(&u, &si); printf("timer %d code %d value %d overran %d\n", r, si.si_code, si.si_value.sival_int, si.si_overrun > 3); r = timer_gettime(id, &now); printf("timer left %ld %ld\n", (long)now.it_value.tv_sec, now.it_value.tv_nsec); r = timer_delete(id); r = syscall(SYS_timer_delete, 12345); printf("delete another: %s\n", err(r));
	/* children */
	on(SIGCHLD, chld, SA_RESTART); sigprocmask(SIG_UNBLOCK, &u, 0); int st; pid_t k;
	if (!(k = fork())) _exit(5); while (waitpid(k, &st, 0) < 0); printf("exit %x", st); flush_log("");
	if (!(k = fork())) { raise(SIGKILL); } while (waitpid(k, &st, 0) < 0); printf("kill %x", st); flush_log("");
	if (!(k = fork())) { raise(SIGSTOP); _exit(1); } while (waitpid(k, &st, WUNTRACED) < 0); printf("stop %x", st); flush_log(""); kill(k, SIGCONT); while (waitpid(k, &st, WCONTINUED) < 0); printf("continue %x\n", st); while (waitpid(k, &st, 0) < 0); printf("then %x\n", st); log_[0] = 0;
	on(SIGCHLD, chld, SA_RESTART | SA_NOCLDSTOP); if (!(k = fork())) { raise(SIGSTOP); _exit(1); } while (waitpid(k, &st, WUNTRACED) < 0); printf("stop, no news %x", st); flush_log(""); kill(k, SIGKILL); while (waitpid(k, &st, 0) < 0); printf("then %x", st); flush_log("");
	signal(SIGCHLD, SIG_IGN); if (!(k = fork())) _exit(1); r = waitpid(k, &st, 0); printf("ignored child: %s\n", err(r));
	signal(SIGCHLD, SIG_DFL); if (!(k = fork())) { *(volatile int *)16 = 1; } waitpid(k, &st, 0); printf("fault: signal %d\n", WTERMSIG(st));
	if (!(k = fork())) { sigprocmask(SIG_BLOCK, &all, 0); signal(SIGSEGV, SIG_IGN); *(volatile int *)16 = 1; } waitpid(k, &st, 0); printf("fault while blocked and ignored: signal %d\n", WTERMSIG(st));
	if (!(k = fork())) { signal(SIGALRM, SIG_DFL); alarm_in(5); for (;;); } waitpid(k, &st, 0); printf("alarm clock: signal %d\n", WTERMSIG(st));
	return 0;
}
