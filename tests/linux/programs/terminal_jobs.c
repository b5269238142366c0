/* Whose terminal it is: sessions, foreground and background, and the signals that a terminal sends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int master;
static char name[64];
static volatile sig_atomic_t caught[65], last;

static void note(int signo)
{
	caught[signo]++;
	last = signo;
}

static void say(const char *what, long result)
{
	printf("%s: %ld\n", what, result < 0 ? -(long)errno : result);
	fflush(stdout);
}

static void settle(void)
{
	struct timespec moment = {0, 20000000};

	nanosleep(&moment, 0);
}

static void make(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	strcpy(name, ptsname(master));
	
}

static void catch(int signo, void (*how)(int), int flags)
{
	struct sigaction action = {0};

	action.sa_handler = how;
	action.sa_flags = flags;
	sigaction(signo, &action, 0);
}

static void show_end(const char *what, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid)
		printf("%s: nobody\n", what);
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by %d\n", what, WTERMSIG(status));
	else
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
	fflush(stdout);
}

static int who(pid_t pid, pid_t me)
{
	return pid < 0 ? -errno : pid == me ? 1 : pid ? 2 : 0;
}

/* In a child that leads a session: how a terminal becomes its own, and is lost again. */
static void taking(void)
{
	int slave, other, word;
	pid_t me;

	make();
	if (fork()) {
		wait(0);
		return;
	}
	slave = open(name, O_RDWR);
	say("tty of nobody", open("/dev/tty", O_RDWR));
	say("take without a session", ioctl(slave, TIOCSCTTY, 0));
	say("group", tcgetpgrp(slave));
	say("give up", ioctl(slave, TIOCNOTTY));
	say("session", setsid() == getpid());
	say("again", setsid());
	me = getpid();
	say("tty of nobody", open("/dev/tty", O_RDWR));
	close(slave);
	slave = open(name, O_RDWR | O_NOCTTY);
	say("not taken", open("/dev/tty", O_RDWR));
	close(slave);
	slave = open(name, O_WRONLY);
	say("not taken", open("/dev/tty", O_RDWR));
	close(slave);
	slave = open(name, O_RDWR);
	other = open("/dev/tty", O_RDWR);
	say("taken", other >= 0);
	printf("%s\n", ttyname(other) ? ttyname(other) : "no name");
	printf("group %d session %d\n", who(tcgetpgrp(slave), me), who(tcgetsid(slave), me));
	printf("of the master: %d %d\n", who(tcgetpgrp(master), me), who(tcgetsid(master), me));
	say("take again", ioctl(slave, TIOCSCTTY, 0));
	say("no such group", tcsetpgrp(slave, 999999));
	say("no group", tcsetpgrp(slave, -5));
	say("another session's", tcsetpgrp(slave, getppid()));
	word = open("/dev/ptmx", O_RDWR);
	say("a second", ioctl(word, TIOCSCTTY, 0));
	close(word);
	if (!fork()) {
		say("child has it", open("/dev/tty", O_RDWR) >= 0);
		say("child gives up", ioctl(slave, TIOCNOTTY));
		say("child has it", open("/dev/tty", O_RDWR));
		say("child's group", tcgetpgrp(slave));
		_exit(0);
	}
	wait(0);
	say("still there", (word = open("/dev/tty", O_RDWR)) >= 0);
	close(word);
	if (!fork()) {
		setsid();
		say("taken by another", ioctl(slave, TIOCSCTTY, 0));
		say("group of another's", tcgetpgrp(slave));
		say("set group of another's", tcsetpgrp(slave, getpid()));
		say("session of another's", tcgetsid(slave));
		_exit(0);
	}
	wait(0);
	catch(SIGHUP, note, SA_RESTART);
	catch(SIGCONT, note, SA_RESTART);
	say("give up", ioctl(slave, TIOCNOTTY));
	printf("signals %d %d\n", caught[SIGHUP], caught[SIGCONT]);
	say("tty of nobody", open("/dev/tty", O_RDWR));
	say("group", tcgetpgrp(slave));
	say("take by a call", ioctl(slave, TIOCSCTTY, 0));
	printf("group %d\n", who(tcgetpgrp(slave), me));
	fflush(stdout);
	_exit(0);
}

static int leader(int (*body)(int))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	_exit(body(open(name, O_RDWR)));
}

static int killed_by_keys(int slave)
{
	char text[10];

	if (write(slave, "r", 1) != 1 || read(slave, text, 10) < 0)
		return 1;
	return 2;
}

static int catches_keys(int slave)
{
	char text[10];
	int got;

	catch(SIGINT, note, 0);
	catch(SIGQUIT, note, SA_RESTART);
	if (write(slave, "r", 1) != 1)
		return 1;
	got = read(slave, text, 10);
	printf("read %d after %d\n", got < 0 ? -errno : got, last);
	fflush(stdout);
	if (write(slave, "r", 1) != 1)
		return 1;
	got = read(slave, text, 10);
	printf("read %d after %d\n", got < 0 ? -errno : got, last);
	fflush(stdout);
	return 0;
}

static void expect(char wanted)
{
	char got = 0;

	while (got != wanted && read(master, &got, 1) == 1)
		;
	settle();
}

static void keys(void)
{
	static const char all[] = "\x03\x1c\x1a";
	pid_t pid;
	int typed;

	for (int i = 0; i < 3; i++) {
		make();
		pid = leader(killed_by_keys);
		expect('r');
		say("typed", write(master, all + i, 1));
		if (i == 2) {
			settle();
			say("orphans are not stopped", write(master, "x\n", 2));
		}
		show_end("leader", pid);
		close(master);
	}
	make();
	pid = leader(catches_keys);
	expect('r');
	typed = write(master, "lost\x03", 5);
	expect('r');
	typed += write(master, "\x1c", 1);
	settle();
	typed += write(master, "kept\n", 5);
	show_end("leader", pid);
	say("typed", typed);
	close(master);
}

/* A leader with a job in the background, as a shell has. */
static int shell(int slave)
{
	struct termios now;
	struct winsize size = {1, 2, 3, 4};
	char text[10];
	pid_t job;
	int status;

#define JOB(what, ...)                                                                                                 \
	job = fork();                                                                                                  \
	if (!job) {                                                                                                    \
		setpgid(0, 0);                                                                                         \
		__VA_ARGS__;                                                                                           \
	}                                                                                                              \
	setpgid(job, job);                                                                                             \
	show_end(what, job);
#define END(result) _exit((result) < 0 ? errno : 0)

	JOB("reads in the background", END(read(slave, text, 10)))
	say("to the front", tcsetpgrp(slave, job));
	say("go on", kill(job, SIGCONT));
	say("typed", write(master, "line\n", 5));
	show_end("reads in the foreground", job);
	catch(SIGTTOU, SIG_IGN, 0);
	say("back", tcsetpgrp(slave, getpid()));
	catch(SIGTTOU, SIG_DFL, 0);
	JOB("writes in the background", END(write(slave, "x", 1)))
	tcgetattr(slave, &now);
	now.c_lflag |= TOSTOP;
	say("modes", tcsetattr(slave, TCSANOW, &now));
	JOB("writes with TOSTOP", END(write(slave, "x", 1)))
	say("end it", kill(job, SIGKILL));
	show_end("killed", job);
	JOB("writes, ignoring SIGTTOU", catch(SIGTTOU, SIG_IGN, 0); END(write(slave, "x", 1)))
	JOB("reads, ignoring SIGTTIN", catch(SIGTTIN, SIG_IGN, 0); END(read(slave, text, 1)))
	JOB("sets modes", END(tcsetattr(slave, TCSANOW, &now)))
	say("end it", kill(job, SIGKILL));
	show_end("killed", job);
	JOB("gets modes", END(tcgetattr(slave, &now)))
	JOB("takes the front", END(tcsetpgrp(slave, getpid())))
	say("end it", kill(job, SIGKILL));
	show_end("killed", job);
	JOB("flushes", END(tcflush(slave, TCIFLUSH)))
	say("end it", kill(job, SIGKILL));
	show_end("killed", job);
	JOB("sets the size", END(ioctl(slave, TIOCSWINSZ, &size)))
	JOB("catches SIGTTIN", catch(SIGTTIN, note, 0); status = read(slave, text, 1); END(caught[SIGTTIN] == 1 ? status : 0))
	catch(SIGWINCH, note, 0);
	size.ws_row = 50;
	say("size", ioctl(slave, TIOCSWINSZ, &size));
	say("size", ioctl(slave, TIOCSWINSZ, &size));
	printf("told %d\n", caught[SIGWINCH]);
	size.ws_row = 51;
	say("size", ioctl(master, TIOCSWINSZ, &size));
	printf("told %d\n", caught[SIGWINCH]);
	say("type", ioctl(slave, TIOCSTI, "t"));
	say("type", ioctl(slave, TIOCSTI, "\n"));
	say("read what was typed", read(slave, text, 10));
	fflush(stdout);
	/* A group of two in the foreground gets what is typed. */
	job = fork();
	if (!job) {
		setpgid(0, 0);
		if (!fork())
			for (;;)
				pause();
		for (;;)
			pause();
	}
	setpgid(job, job);
	catch(SIGTTOU, SIG_IGN, 0);
	say("to the front", tcsetpgrp(slave, job));
	settle();
	say("typed", write(master, "\x1a", 1));
	show_end("job", job);
	say("go on", kill(-job, SIGCONT));
	say("typed", write(master, "\x03", 1));
	show_end("job", job);
	return 0;
}

static int waits(int slave)
{
	close(master);
	catch(SIGHUP, note, 0);
	catch(SIGCONT, note, 0);
	if (write(slave, "r", 1) != 1)
		return 1;
	while (!caught[SIGHUP] || !caught[SIGCONT])
		settle();
	printf("hung up: read %d", (int)read(slave, name, 1));
	printf(" write %d", write(slave, name, 1) < 0 ? -errno : 0);
	printf(" tty %d\n", open("/dev/tty", O_RDWR) < 0 ? -errno : 0);
	fflush(stdout);
	return 5;
}

static int blocked_reader(int slave)
{
	char text[10];
	int got;

	close(master);
	catch(SIGHUP, SIG_IGN, 0);
	if (write(slave, "r", 1) != 1)
		return 1;
	got = read(slave, text, 10);
	printf("reader of the hung up: %d\n", got < 0 ? -errno : got);
	fflush(stdout);
	return 0;
}

static int leaves_a_job(int slave)
{
	pid_t job = (close(master), fork());

	if (!job) {
		setpgid(0, 0);
		catch(SIGHUP, note, 0);
		if (write(slave, "r", 1) != 1)
			return 1;
		for (int i = 0; i < 100 && !caught[SIGHUP]; i++)
			settle();
		printf("job was told %d, tty %d\n", caught[SIGHUP], open("/dev/tty", O_RDWR) < 0 ? -errno : 0);
		fflush(stdout);
		if (write(slave, "e", 1) != 1)
			return 1;
		return 0;
	}
	setpgid(job, job);
	catch(SIGTTOU, SIG_IGN, 0);
	tcsetpgrp(slave, job);
	settle();
	settle();
	return 0;
}

static void ends(void)
{
	pid_t pid;

	make();
	pid = leader(waits);
	expect('r');
	close(master);
	show_end("leader", pid);
	make();
	pid = leader(blocked_reader);
	expect('r');
	close(master);
	show_end("leader", pid);
	make();
	pid = leader(leaves_a_job);
	expect('r');
	expect('e');
	show_end("leader", pid);
	close(master);
}

int main(void)
{
	taking();
	keys();
	make();
	show_end("shell", leader(shell));
	close(master);
	ends();
	return 0;
}
