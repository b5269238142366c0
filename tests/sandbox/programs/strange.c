/*
 * strange OUTSIDE SECRET TEMPORARY: attacks by ways that are seldom gone. A line for each that comes to something.
 *
 * OUTSIDE is a folder that everybody may write, beyond what was given; SECRET a file that root alone gets to;
 * TEMPORARY the run's folder for temporary files. Standard input is a file of OUTSIDE's.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int tries;

static long tried(const char *what, long result)
{
	tries++;
	if (result >= 0)
		printf("%s: done\n", what);
	return result;
}

static long writes(const char *what, int fd)
{
	return tried(what, fd < 0 ? -1 : write(fd, "HACK", 4));
}

/* --- descriptors that were given for reading ---------------------------------------------------------- */

static void given(void)
{
	const char *const names[] = {"/proc/self/fd/0", "/dev/stdin", "/dev/fd/0", "/proc/thread-self/fd/0"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		tried("reopen", open(names[i], O_RDWR));
		tried("reopen to cut", open(names[i], O_RDONLY | O_TRUNC));
		tried("cut", truncate(names[i], 0));
		tried("mode", chmod(names[i], 04777));
		tried("link by name", linkat(AT_FDCWD, names[i], AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
		writes("write to a link", open("linked", O_WRONLY));
	}
	tried("link", linkat(0, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
	writes("write to it", open("linked", O_WRONLY));
	int path = open("/proc/self/fd/0", O_PATH), passwd = open("/etc/passwd", O_RDONLY);
	tried("link a path", linkat(path, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
	tried("link passwd", linkat(passwd, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
	tried("write", write(0, "HACK", 4));
	tried("own it", fchown(0, 4242, 4242));
	tried("mode of it", fchmod(0, 0777));
	tried("date it", futimens(0, 0));
	tried("allocate", fallocate(0, 0, 0, 4096));
	tried("punch", fallocate(0, 3, 0, 4096));
	tried("map", mmap(0, 4096, PROT_WRITE, MAP_SHARED, 0, 0) == MAP_FAILED ? -1 : 0);
	tried("clone into it", ioctl(0, 0x40049409, passwd));
	tried("copy into it", syscall(SYS_copy_file_range, passwd, 0, 0, 0, 10, 0));
	tried("send into it", syscall(SYS_sendfile, 0, passwd, 0, 10));
}

/* --- folders that are the emulator's ------------------------------------------------------------------ */

static void plant_in(const char *folder, int depth)
{
	char name[4096];
	struct stat status;
	struct dirent *entry;
	DIR *open_one = opendir(folder);

	while (open_one && (entry = readdir(open_one))) {
		snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.' || lstat(name, &status))
			continue;
		if (S_ISREG(status.st_mode))
			writes("file of a run", open(name, O_WRONLY));
		if (!S_ISDIR(status.st_mode))
			continue;
		if (depth < 3)
			plant_in(name, depth + 1);
		strcat(name, "/planted");
		tried("plant in a run", open(name, O_WRONLY | O_CREAT, 0600));
		*strrchr(name, '/') = 0;
		tried("remove of a run", rmdir(name));
		tried("move of a run", rename(name, "moved"));
		tried("swap of a run", syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, "folder", 2));
	}
	if (open_one)
		closedir(open_one);
}

static void own_places(const char *temporary)
{
	static const char *const files[] = {"mem", "environ", "maps", "fd/3", "fd/5/.", "root/etc/shadow", "map_files", "auxv"};
	struct sockaddr_un name = {AF_UNIX, "socket"};
	char path[4096];

	mkdir("folder", 0700);
	bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name);
	syscall(SYS_shmget, 0x77, 4096, 01600);
	plant_in(temporary, 0);
	tried("move the temporary ones", rename(temporary, "moved"));
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
		for (int to_self = 0; to_self < 2; to_self++) {
			snprintf(path, sizeof path, "/host/proc/%s/%s", to_self ? "self" : "1", files[i]);
			tried("process of the host", open(path, O_RDONLY));
			tried("process of the host", open(path, O_RDWR));
		}
}

/* --- what only root may see ----------------------------------------------------------------------------- */

static void exec_child(const char *path)
{
	int status;

	if (!fork()) {
		execl(path, "x", (char *)0);
		_exit(99);
	}
	wait(&status);
	tried("execute it", WEXITSTATUS(status) == 99 ? -1 : 0);
}

static void secret(const char *path)
{
	char buffer[4096];
	struct stat status;
	struct { uint64_t flags, mode, resolve; } how = {O_PATH, 0, 0};
	int script = open("script", O_CREAT | O_WRONLY, 0755);

	dprintf(script, "#!%s\n", path);
	close(script);
	exec_child("./script");
	exec_child(path);
	symlink(path, "to-secret");
	for (const char **name = (const char *[]){path, "to-secret", 0}; *name; name++) {
		tried("see", stat(*name, &status));
		tried("see whether", access(*name, F_OK));
		tried("hold", open(*name, O_PATH));
		tried("hold by openat2", syscall(437, AT_FDCWD, *name, &how, sizeof how));
		tried("attribute", syscall(SYS_getxattr, *name, "user.x", buffer, 9));
		tried("attributes", syscall(SYS_listxattr, *name, buffer, 9));
		tried("its file system", syscall(SYS_statfs, *name, buffer));
		tried("watch", syscall(SYS_inotify_add_watch, syscall(SYS_inotify_init1, 0), *name, 0xfff));
		tried("go there", chdir(*name));
	}
	strcpy(buffer, path);
	*strrchr(buffer, '/') = 0;
	int folder = open(buffer, O_PATH);
	tried("see from its folder", fstatat(folder, "secret", &status, 0));
	tried("list", open(buffer, O_RDONLY | O_DIRECTORY));
}

/* --- races: what a name means changes all the time ------------------------------------------------------ */

static int swapper(const char *outside)
{
	mkdir("d", 0777);
	symlink(outside, "l");
	mkdir("p", 0777);
	mkdir("p/q", 0777);
	int pid = fork();
	while (!pid) {
		syscall(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "l", 2);
		sched_yield();
		rename("p/q", "q");
		sched_yield();
		rename("q", "p/q");
	}
	return pid;
}

static void races(const char *outside)
{
	int pid = swapper(outside);
	struct sockaddr_un name = {AF_UNIX, "d/socket"};

	for (int i = 0; i < 12; i++) {
		close(open("d/new", O_CREAT | O_WRONLY, 0666));
		close(open("d/victim", O_WRONLY | O_TRUNC));
		chmod("d/victim", 04777);
		truncate("d/victim", 0);
		mkdir("d/folder", 0777);
		link("script", "d/hard");
		symlink("x", "d/soft");
		mknod("d/fifo", S_IFIFO | 0666, 0);
		rename("d/victim", "victim");
		unlink("d/victim");
		rmdir("d/empty");
		bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name);
		close(openat(open("d", O_RDONLY), "by-folder", O_CREAT | O_WRONLY, 0666));
		close(open("p/q/../../../outside/up", O_CREAT | O_WRONLY, 0666));
		close(openat(open("p/q", O_RDONLY), "../../outside/up", O_CREAT | O_WRONLY, 0666));
	}
	kill(pid, SIGKILL);
	wait(0);
}

/* --- memory, messages, processes, terminals ------------------------------------------------------------- */

static void memory(void)
{
	int passwd = open("/etc/passwd", O_RDONLY), own = open("own", O_RDWR | O_CREAT, 0600);
	char *shared = mmap(0, 4096, PROT_READ, MAP_SHARED, passwd, 0), *held;
	static uint64_t list[3];

	tried("make it writable", mprotect(shared, 4096, PROT_READ | PROT_WRITE));
	writes("own memory as a file", lseek(open("/proc/self/mem", O_RDWR), (long)shared, 0) < 0 ? -1 : 0);
	tried("write own memory", syscall(SYS_process_vm_writev, getpid(), &(struct iovec){"HACK", 4}, 1,
					  &(struct iovec){shared, 4}, 1, 0));
	tried("move it", mremap(shared, 4096, 1L << 46, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	ftruncate(own, 1 << 16);
	held = mmap(0, 1 << 16, PROT_READ, MAP_SHARED, open("own", O_RDONLY), 0);
	tried("punch through a view", madvise(held, 1 << 16, MADV_REMOVE));
	for (int advice = 100; advice < 104; advice++)
		tried("poison", madvise(held, 4096, advice));
	list[0] = (uint64_t)list; /* a list of robust futexes without an end, then one nowhere */
	list[1] = INT64_MAX;
	if (!fork()) {
		syscall(SYS_set_robust_list, list, sizeof list);
		syscall(SYS_set_tid_address, 0xffff000000000000);
		_exit(0);
	}
	wait(0);
	tried("rseq", syscall(SYS_rseq, 0xffff000000000000, 32, 0, 0));
}

/* struct msghdr of an arm64 kernel. */
struct head {
	uint64_t name, name_size, iov, count, control, control_size, flags;
};

static void messages(void)
{
	static const uint64_t sizes[] = {0, 1, 15, 19, 24, 0x1000, 0x7fffffff, 0x80000000, ~0ull, ~0ull - 15, 1ull << 63};
	static const struct { int level, name; } options[] = {
		{1, 51}, {1, 52}, {1, 32}, {1, 36}, {1, 61}, {1, 76}, {1, 77}, {1, 83}, {6, 14}, {6, 19}, {6, 31}, {6, 35},
		{0, 3}, {0, 19}, {0, 41}, {0, 42}, {0, 48}, {0, 64}, {41, 32}, {263, 5}, {270, 3}, {279, 1}, {282, 1}, {283, 1},
	};
	char buffer[512] = {0};
	struct iovec byte = {"x", 1};
	int pair[2], s = socket(AF_INET, SOCK_STREAM, 0);

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct { uint64_t size; int level, type, fds[60]; } control = {sizes[i], SOL_SOCKET, SCM_RIGHTS};
		for (int fd = 0; fd < 60; fd++)
			control.fds[fd] = fd + 20;
		struct head head = {0, 0, (uint64_t)&byte, 1, (uint64_t)&control, i & 1 ? sizeof control : 24, 0};
		syscall(SYS_sendmsg, pair[0], &head, MSG_DONTWAIT);
		head = (struct head){8, sizes[i], sizes[i] & ~7ull, sizes[i], 8, sizes[i], -1};
		syscall(SYS_sendmsg, pair[0], &head, MSG_DONTWAIT);
		syscall(SYS_recvmsg, pair[1], &head, MSG_DONTWAIT);
		syscall(SYS_sendmmsg, pair[0], sizes[i] & ~7ull, ~0u, MSG_DONTWAIT);
		bind(s, (void *)buffer, (int)sizes[i]);
		tries += 5;
	}
	for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
		socklen_t size = 64;
		tried("set an option", setsockopt(s, options[i].level, options[i].name, buffer, 64));
		tried("get an option", getsockopt(s, options[i].level, options[i].name, buffer, &size));
	}
}

static void processes(void)
{
	static const int requests[] = {
		0x5412, 0x541c, 0x541d, 0x5422, 0x5423, 0x5436, 0x5441, 0x4b3a, 0x4b46, 0x5606, 0x8901, 0x8902, 0xae00, 0x125f,
		(int)0xc0045877, (int)0xc0045878, (int)0xc0185879, (int)0xc0189436, 0x401c5820, 0x40086602, 0x5326, 0x4c00,
	};
	uint64_t clone[11] = {0x200000000, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 3};
	siginfo_t forged = {.si_signo = SIGKILL, .si_code = SI_KERNEL};

	for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
		for (int fd = 0; fd < 3; fd++)
			tried("a request", ioctl(fd, requests[i], clone));
	tried("into a group of controls", syscall(435, clone, sizeof clone));
	clone[0] = 0, clone[8] = (uint64_t)clone, clone[9] = 4;
	tried("chosen numbers", syscall(435, clone, sizeof clone));
	tried("too large", syscall(435, clone, 1ul << 40));
	tried("another program", prctl(PR_SET_MM, 13 /* PR_SET_MM_EXE_FILE */, open("/etc/passwd", O_RDONLY), 0, 0));
	tried("another map", prctl(PR_SET_MM, 14, clone, sizeof clone, 0));
	tried("dispatch", prctl(59, 1, 0, 0, 0));
	tried("core scheduling", prctl(62, 1, 1, 0, 0));
	tried("io flusher", prctl(57, 1, 0, 0, 0));
	tried("secure bits", prctl(PR_SET_SECUREBITS, 0x2f, 0, 0, 0));
	tried("group of 1", setpgid(0, 1));
	tried("signal to 1", syscall(SYS_rt_sigqueueinfo, 1, SIGKILL, &forged));
	tried("signal from the kernel", syscall(SYS_rt_sigqueueinfo, getppid(), SIGKILL, &forged));
	tried("a file system", syscall(430, "proc", 0));
	tried("a handle", syscall(265, AT_FDCWD, clone, 0));
	tried("wait for very many", syscall(SYS_ppoll, clone, ~0u, 0, 0, 8));
	tried("affinity", syscall(SYS_sched_setaffinity, 1, 1ul << 31, clone));
	tried("a message", syscall(SYS_msgsnd, syscall(SYS_msgget, 0, 01600), clone, 1ul << 62, 0));
	tried("a segment", syscall(SYS_shmget, 0, 1ul << 62, 01600));
	tried("the log", syscall(116, 5, 0, 0));
}

/* Files that give rights to who executes them, and are there: writing to them takes the rights. */
static void rights(void)
{
	struct stat status;
	int from = open("/etc/passwd", O_RDONLY);

	writes("suid", open("suid-1", O_RDWR));
	tried("suid", truncate("suid-2", 3));
	close(open("suid-3", O_WRONLY | O_TRUNC));
	writes("suid", open("suid-4", O_WRONLY | O_CREAT, 0600));
	tried("suid", syscall(SYS_sendfile, open("suid-5", O_WRONLY), from, 0, 10));
	symlink("suid-6", "to-suid");
	writes("suid", open("to-suid", O_WRONLY | O_CREAT, 0600));
	for (char name[] = "suid-1"; name[5] < '7'; name[5]++)
		if (!stat(name, &status) && status.st_mode & 06000)
			printf("%s has them\n", name);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	given();
	own_places(argv[3]);
	secret(argv[2]);
	races(argv[1]);
	memory();
	messages();
	processes();
	rights();
	printf("%d tries\n", tries);
	return 0;
}
