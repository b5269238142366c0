/* Processes seen from the program: wait forms, groups, vfork, spawn, exec, orphans, stops, locks of ids. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile int seen;
static void say(const char *what, long a) { printf("%s: %ld\n", what, a); fflush(stdout); }
static void err(const char *what, long r) { printf("%s: %s %ld\n", what, r < 0 ? "errno" : "ok", r < 0 ? errno : r); fflush(stdout); }
static void ok(const char *what, long r) { printf("%s: %s %d\n", what, r < 0 ? "errno" : "ok", r < 0 ? errno : 0); fflush(stdout); }
static void status(const char *what, pid_t p) { int st = -1; pid_t r = waitpid(p, &st, 0); printf("%s: %s %x\n", what, r == p ? "own" : "?", st); fflush(stdout); }
static pid_t child(int code) { pid_t p = fork(); if (!p) _exit(code); return p; }
static int in_clone(void *a) { *(volatile int *)a = 77; return 5; }
static char stack[65536] __attribute__((aligned(16)));

int main(int argc, char **argv)
{
	if (argc > 1) {
		sigset_t now; sigprocmask(0, 0, &now); struct sigaction a; sigaction(SIGUSR1, 0, &a); struct sigaction b; sigaction(SIGUSR2, 0, &b);
		printf("executed: argc %d %s env %s mask %d ignored %d caught-is-default %d\n", argc, argv[1], getenv("V") ? getenv("V") : "-", sigismember(&now, SIGTERM), a.sa_handler == SIG_IGN, b.sa_handler == SIG_DFL);
		char name[17]; prctl(PR_GET_NAME, name); printf("name %s fd %d\n", name, fcntl(20, F_GETFD)); fflush(stdout);
		return 11;
	}
	siginfo_t si; int st; struct rusage ru; pid_t p, q;
	err("no children", wait(&st)); err("wait for nobody", waitpid(99999, &st, 0)); err("bad options", waitpid(-1, &st, 0x100));
	status("exit 300", child(300)); p = child(1); q = child(2); status("second first", q); status("first", p);
	p = fork(); if (!p) { usleep(20000); _exit(3); } err("not yet", waitpid(p, &st, WNOHANG)); memset(&si, 1, sizeof si); err("waitid not yet", waitid(P_PID, p, &si, WEXITED | WNOHANG)); say("no info", si.si_signo);
	err("look", waitid(P_PID, p, &si, WEXITED | WNOWAIT)); printf("info %d %d %d %d\n", si.si_signo, si.si_code, si.si_pid == p, si.si_status); err("look again", waitid(P_ALL, 0, &si, WEXITED | WNOWAIT)); status("take", p);
	err("waitid without what", waitid(P_ALL, 0, &si, 0)); err("waitid nobody", waitid(P_ALL, 0, &si, WEXITED)); err("waitid kind", waitid(77, 0, &si, WEXITED));
	p = fork(); if (!p) abort(); err("waitid abort", waitid(P_PID, p, &si, WEXITED)); printf("info code-killed %d status %d\n", si.si_code == CLD_KILLED || si.si_code == CLD_DUMPED, si.si_status);
	/* groups and sessions */
	pid_t me = getpid(); ok("own group", setpgid(0, 0)); say("leads", getpgid(0) == me); err("bad group", setpgid(0, -1)); err("foreign", setpgid(99999, 0)); err("no such group", setpgid(0, 99999)); err("getpgid nobody", getpgid(99999)); err("setsid of a leader", setsid());
	int pp[2]; pipe(pp); char c; p = fork(); if (!p) { read(pp[0], &c, 1); _exit(getpgrp() == getpid() ? 21 : 22); } ok("move child", setpgid(p, p)); say("moved", getpgid(p) == p); write(pp[1], "x", 1); status("child in its group", p);
	p = fork(); if (!p) { pid_t s = setsid(); _exit(s == getpid() && getsid(0) == s && getpgrp() == s ? 31 : 32); } status("new session", p);
	p = fork(); if (!p) { setpgid(0, 0); q = fork(); if (!q) { pause(); } q = fork(); if (!q) { pause(); } usleep(10000); signal(SIGTERM, SIG_IGN); kill(0, SIGTERM); int n = 0; while (wait(&st) > 0) n += WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM; _exit(40 + n); } status("kill the group", p);
	/* shared memory children */
	seen = 0; p = vfork(); if (!p) { seen = 5; _exit(4); } say("vfork saw", seen); status("vfork", p);
	int word = 0; p = clone(in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &word); say("clone vfork wrote", word); status("clone", p);
	p = clone(in_clone, stack + sizeof stack, CLONE_VM | SIGCHLD, &word); status("clone vm", p); p = clone(in_clone, stack + sizeof stack, SIGCHLD, (word = 1, &word)); status("clone copy", p); say("parent's word", word);
	p = clone(in_clone, stack + sizeof stack, CLONE_VM, &word); err("no signal, plain wait", waitpid(p, &st, 0)); say("with __WALL", waitpid(p, &st, __WALL) == p);
	char *none[] = { "/nonexistent", 0 }; say("spawn nothing", posix_spawn(&p, none[0], 0, 0, none, environ)); char *notexe[] = { "/proc/self/status", 0 }; p = vfork(); if (!p) { execv(notexe[0], notexe); seen = errno; _exit(9); } say("exec of data", seen); status("vfork", p);
	/* exec keeps and resets */
	sigset_t term; sigemptyset(&term); sigaddset(&term, SIGTERM); signal(SIGUSR1, SIG_IGN); signal(SIGUSR2, (void (*)(int))main); dup2(1, 20); fcntl(20, F_SETFD, FD_CLOEXEC);
	char *again[] = { "again", "one", "two", 0 }, *env[] = { "V=value", 0 }; p = fork(); if (!p) { sigprocmask(SIG_BLOCK, &term, 0); execve("/proc/self/exe", again, env); _exit(1); } status("exec", p);
	p = vfork(); if (!p) { execve("/proc/self/exe", again, env); _exit(1); } status("vfork exec", p);
	int sp = posix_spawn(&p, "/proc/self/exe", 0, 0, again, env); status("spawned", p); say("spawn", sp);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); p = fork(); if (!p) { syscall(SYS_execveat, fd, "", again, env, AT_EMPTY_PATH); _exit(1); } status("execveat", p);
	err("exec directory", execve("/proc", again, env)); err("exec nothing", execve("/nonexistent", again, env)); err("exec bad pointer", syscall(SYS_execve, 8, 0, 0));
	/* orphans */
	pipe(pp); p = fork(); if (!p) { if (!fork()) { usleep(30000); char r = getppid() == 1 ? 'y' : 'n'; write(pp[1], &r, 1); _exit(0); } _exit(0); } status("middle", p); read(pp[0], &c, 1); printf("orphan of init: %c\n", c);
	prctl(PR_SET_CHILD_SUBREAPER, 1); p = fork(); if (!p) { if (!fork()) { usleep(30000); char r = getppid() == me ? 'y' : 'n'; write(pp[1], &r, 1); _exit(17); } _exit(0); } status("middle", p); read(pp[0], &c, 1); printf("orphan of ours: %c\n", c); p = wait(&st); printf("adopted: %d %x\n", p > 0, st);
	p = fork(); if (!p) { if (!fork()) { prctl(PR_SET_PDEATHSIG, SIGUSR1); signal(SIGUSR1, SIG_DFL); write(pp[1], "k", 1); pause(); _exit(1); } read(pp[0], &c, 1); _exit(0); } status("parent", p); p = wait(&st); printf("death signal: %x\n", st);
	/* stop, continue, kill while stopped */
	p = fork(); if (!p) for (;;) pause(); kill(p, SIGSTOP); waitpid(p, &st, WUNTRACED); printf("stopped %x\n", st); kill(p, SIGTERM); usleep(20000); err("still there", waitpid(p, &st, WNOHANG)); kill(p, SIGCONT); status("then terminated", p);
	p = fork(); if (!p) for (;;); kill(p, SIGSTOP); err("waitid stop", waitid(P_PID, p, &si, WSTOPPED)); printf("info %d %d\n", si.si_code, si.si_status); kill(p, SIGKILL); status("killed while stopped", p);
	/* pidfds */
	p = fork(); if (!p) for (;;) pause(); fd = syscall(SYS_pidfd_open, p, 0); ok("pidfd", fd); err("signal 0", syscall(SYS_pidfd_send_signal, fd, 0, 0, 0)); err("kill it", syscall(SYS_pidfd_send_signal, fd, SIGKILL, 0, 0)); err("waitid pidfd", waitid(P_PIDFD, fd, &si, WEXITED)); say("status", si.si_status); err("gone", syscall(SYS_pidfd_send_signal, fd, 0, 0, 0)); err("pidfd of nobody", syscall(SYS_pidfd_open, 99999, 0)); err("pidfd flags", syscall(SYS_pidfd_open, me, 1));
	/* refusals of clone */
	err("thread without sighand", syscall(SYS_clone, 0x10000 | 0x100, 0, 0, 0, 0)); err("sighand without vm", syscall(SYS_clone, 0x800, 0, 0, 0, 0)); uint64_t args[11] = { 0 }; err("clone3 small", syscall(SYS_clone3, args, 8)); args[4] = 65; err("clone3 signal", syscall(SYS_clone3, args, 88));
	args[4] = SIGCHLD; p = syscall(SYS_clone3, args, 88); if (!p) _exit(8); status("clone3", p);
	err("priority", getpriority(PRIO_PROCESS, 0)); err("nicer", setpriority(PRIO_PROCESS, 0, 5)); err("priority", getpriority(PRIO_PROCESS, 0)); err("of nobody", getpriority(PRIO_PROCESS, 99999)); err("bad which", getpriority(9, 0));
	return 0;
}
