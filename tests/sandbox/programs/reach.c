/* reach WHAT [ARG...]: more attacks of the kinds of walls.c. Prints a line for each try: what came of it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void tried(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

/* --- descriptors ------------------------------------------------------------------------------ */

static long send_fd(int s, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec byte = {"x", 1};
	struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	return sendmsg(s, &message, 0);
}

/* How many descriptors came with the next message; the first in *ret. */
static int receive_fds(int s, int *ret)
{
	char control[4096], byte;
	struct iovec room = {&byte, 1};
	struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int found = 0;

	if (recvmsg(s, &message, MSG_DONTWAIT) < 0)
		return 0;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != SOL_SOCKET || (head->cmsg_type != SCM_RIGHTS && head->cmsg_type != 4))
			continue;
		for (unsigned i = 0; i < (head->cmsg_len - sizeof *head) / sizeof(int); i++, found++)
			memcpy(ret, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
	}
	return found;
}

static void show(const char *what, int fd)
{
	char name[64], target[512] = "";

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	long size = readlink(name, target, sizeof target - 1);
	printf("%s: %s\n", what, size < 0 ? strerror(errno) : target);
}

/* Every number that is not ours, as a descriptor to send; kinds of ours, there and back. */
static void rights(void)
{
	static const char *const names[] = {"/proc/self/maps", "/proc/self/mem", "/dev/urandom", "/proc/self/exe", "."};
	int pair[2], got = -1, sent = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	for (int fd = -3; fd < 4096; fd++)
		if ((fd < 0 || fd > 2) && fd != pair[0] && fd != pair[1])
			sent += send_fd(pair[0], fd) >= 0;
	printf("sent: %d\n", sent);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = open(names[i], O_RDONLY);
		send_fd(pair[0], fd);
		receive_fds(pair[1], &got);
		show(names[i], got);
		tried("write", pwrite(got, "x", 1, 0));
	}
	tried("passpidfd", setsockopt(pair[0], SOL_SOCKET, 76, &(int){1}, 4) | setsockopt(pair[1], SOL_SOCKET, 76, &(int){1}, 4));
	write(pair[0], "y", 1);
	printf("pidfds: %d\n", receive_fds(pair[1], &got));
	tried("peerpidfd", getsockopt(pair[0], SOL_SOCKET, 77, &got, &(socklen_t){4}));
	struct ucred peer = {0};
	getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer});
	printf("peer: %s\n", peer.pid == getpid() ? "own" : "other");
	int self = syscall(434, getpid(), 0), parent = syscall(434, 1, 0), init = syscall(434, getppid(), 0);
	for (int fd = 3; fd < 1024; fd++) {
		int copy = syscall(438, self, fd, 0);
		if (copy >= 0 && fcntl(fd, F_GETFD) < 0)
			show("getfd", copy);
		if (copy >= 0)
			close(copy);
		if (syscall(438, parent, fd, 0) >= 0 || syscall(438, init, fd, 0) >= 0)
			printf("getfd of another: done\n");
	}
}

/* Descriptors that nobody gave: by number in every way, and by what /proc says. */
static void count_own(const char *when)
{
	char byte;
	int shown = 0, open_ones = 0, read_ones = 0, copied = 0;
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while ((entry = readdir(folder)))
		shown += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder);
	closedir(folder);
	for (int fd = 0; fd < 4096; fd++) {
		open_ones += fcntl(fd, F_GETFD) >= 0;
		read_ones += fd > 2 && (pread(fd, &byte, 1, 0) >= 0 || errno != EBADF);
		int copy = dup(fd);
		copied += copy >= 0;
		if (copy >= 0)
			close(copy);
	}
	printf("%s: %d %d %d %d\n", when, shown, open_ones, read_ones, copied);
}

static void inherited(char **argv)
{
	int status;

	if (argv[2]) {
		count_own("after exec");
		return;
	}
	count_own("at first");
	int kept = open(".", O_RDONLY), closed = open(".", O_RDONLY | O_CLOEXEC);
	(void)closed;
	fflush(stdout);
	if (!fork()) {
		count_own("in a child");
		fflush(stdout);
		close(kept);
		execv("/proc/self/exe", (char *[]){argv[0], "inherited", "x", 0});
		_exit(9);
	}
	wait(&status);
	for (int fd = 3; fd < 2048; fd++)
		dup2(1, fd);
	syscall(SYS_close_range, 3, ~0u, 0);
	count_own("after closing all");
	fflush(stdout);
	printf("status: %d\n", system(0) | status);
	open("made", O_WRONLY | O_CREAT, 0600);
}

/* --- programs --------------------------------------------------------------------------------- */

static void copy(int from, int to)
{
	char buffer[65536];

	for (long size; (size = read(from, buffer, sizeof buffer)) > 0;)
		write(to, buffer, size);
}

static void run(const char *what, int fd, const char *path)
{
	int status;

	fflush(stdout);
	if (!fork()) {
		char *const words[] = {"reach", "hello", (char *)what, 0};
		if (path)
			execv(path, words);
		else
			syscall(SYS_execveat, fd, "", words, (char *[]){0}, AT_EMPTY_PATH);
		_exit(errno);
	}
	wait(&status);
	printf("%s: status %d\n", what, WEXITSTATUS(status));
}

/* Programs from memory, a copy of what /proc says is running, a file without a name. */
static void programs(void)
{
	int self = open("/proc/self/exe", O_RDONLY), fd = memfd_create("x", 0);
	char head[20] = {0}, name[64];

	read(self, head, sizeof head);
	printf("exe: %s %d\n", memcmp(head, "\177ELF", 4) ? "?" : "ELF", head[18] | head[19] << 8);
	lseek(self, 0, 0);
	copy(self, fd);
	run("memfd", fd, 0);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	run("memfd by name", 0, name);
	fchmod(fd, 0);
	run("memfd without mode", fd, 0);
	lseek(self, 0, 0);
	int copied = open("copied", O_WRONLY | O_CREAT, 0700);
	copy(self, copied);
	close(copied);
	run("copied", 0, "./copied");
	fd = open(".", O_TMPFILE | O_RDWR, 0700);
	lseek(self, 0, 0);
	copy(self, fd);
	run("nameless", fd, 0);
	tried("link it into /usr", linkat(fd, "", AT_FDCWD, "/usr/planted", AT_EMPTY_PATH));
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	tried("link it by name", linkat(AT_FDCWD, name, AT_FDCWD, "/etc/planted", AT_SYMLINK_FOLLOW));
	tried("exe for writing", open("/proc/self/exe", O_RDWR));
	tried("python", open("/proc/self/exe/../python3", O_RDONLY));
}

/* --- files ------------------------------------------------------------------------------------ */

static long put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? fd : write(fd, text, strlen(text));
}

static long swapped(int fd)
{
	char name[64];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return open(name, O_RDWR);
}

/* What would give somebody rights, and files that are the host's own. */
static void files(void)
{
	struct vfs_ns_cap_data caps = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, .data[0].permitted = ~0u};
	int fd = open("capable", O_WRONLY | O_CREAT, 0755), flags = 0x10 /* immutable */;
	struct stat status;

	tried("capabilities of a file", setxattr("capable", "security.capability", &caps, XATTR_CAPS_SZ_2, 0));
	tried("the same by descriptor", fsetxattr(fd, "security.capability", &caps, XATTR_CAPS_SZ_2, 0));
	tried("trusted", setxattr("capable", "trusted.overlay.opaque", "y", 1, 0));
	tried("label", setxattr("capable", "security.selinux", "x", 1, 0));
	tried("immutable", ioctl(fd, 0x40086602, &flags));
	tried("lease", fcntl(fd, F_SETLEASE, F_WRLCK));
	tried("notify", fcntl(open(".", O_RDONLY), F_NOTIFY, 0x8000001f));
	tried("block device", mknod("device", S_IFBLK | 0666, 0x700));
	tried("char device", mknod("device", S_IFCHR | 0666, 0x101));
	mkdir("folder", 02777);
	chmod("folder", 02777);
	close(open("folder/in", O_WRONLY | O_CREAT | O_EXCL, 06777));
	stat("folder/in", &status);
	printf("bits in a folder: %o\n", status.st_mode & 06000);
	mkfifo("folder/fifo", 06777);
	symlink("/etc", "way");
	tried("/etc by a link", open("way/planted", O_WRONLY | O_CREAT, 0600));
	tried("/etc by a rename", rename("capable", "way/planted"));
	tried("/etc by exchange", syscall(SYS_renameat2, AT_FDCWD, "capable", AT_FDCWD, "/etc/hostname", 2));
	tried("/etc by up", open("../../../../../../../../etc/planted", O_WRONLY | O_CREAT, 0600));
	tried("read-only by /proc", swapped(open("/etc/passwd", O_RDONLY)));
	tried("path by /proc", swapped(open("/etc/passwd", O_PATH)));
	tried("/proc/1/root", open("/proc/1/root/etc/shadow", O_RDONLY));
	tried("cwd of 1", open("/proc/1/cwd/../../../../etc/shadow", O_RDONLY));
	tried("core pattern", put("/proc/sys/kernel/core_pattern", "|/bin/sh"));
	tried("sysrq", put("/proc/sysrq-trigger", "b"));
	tried("oom", put("/proc/self/oom_score_adj", "-1000"));
	tried("kmsg", open("/dev/kmsg", O_WRONLY));
	tried("mem", open("/dev/mem", O_RDONLY));
	tried("kvm", open("/dev/kvm", O_RDWR));
	tried("fuse", open("/dev/fuse", O_RDWR));
	tried("tun", open("/dev/net/tun", O_RDWR));
	tried("loop", open("/dev/loop-control", O_RDWR));
	tried("ptmx", open("/dev/ptmx", O_RDWR));
	tried("tty", open("/dev/tty", O_RDWR));
	tried("kcore", open("/proc/kcore", O_RDONLY));
	tried("sys", put("/sys/kernel/uevent_helper", "/x"));
	tried("cgroup", mkdir("/sys/fs/cgroup/planted", 0700));
	tried("debugfs", open("/sys/kernel/debug/x", O_RDONLY));
	tried("handle", syscall(SYS_name_to_handle_at, AT_FDCWD, ".", &status, &flags, 0));
	tried("chroot and out", chroot("folder") < 0 ? -1 : open("../../../../etc/planted", O_WRONLY | O_CREAT, 0600));
}

/* --- processes ---------------------------------------------------------------------------------- */

/* What a guest says to others must not come to those who run it: PID is one of the host's. */
static void others(int pid)
{
	struct rlimit none = {0, 0};
	int fds[2];
	cpu_set_t first = {{1}};

	signal(SIGUSR1, SIG_IGN);
	tried("group", kill(-pid, SIGKILL));
	tried("limits", prlimit(pid, RLIMIT_NOFILE, &none, 0));
	tried("affinity", sched_setaffinity(pid, sizeof first, &first));
	tried("priority", setpriority(PRIO_PROCESS, pid, 19));
	tried("io priority", syscall(SYS_ioprio_set, 1, pid, 3 << 13));
	tried("write memory", syscall(SYS_process_vm_writev, pid, &(struct iovec){fds, 4}, 1, &(struct iovec){fds, 4}, 1, 0));
	tried("session", getsid(pid));
	tried("group of it", setpgid(pid, 0));
	tried("robust list", syscall(SYS_get_robust_list, pid, fds, fds));
	tried("wait for it", syscall(SYS_waitid, P_PID, pid, 0, WEXITED | WNOHANG, 0));
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	fcntl(fds[0], F_SETOWN, pid);
	fcntl(fds[0], F_SETSIG, SIGKILL);
	fcntl(fds[0], F_SETFL, O_ASYNC | O_NONBLOCK);
	ioctl(fds[0], 0x8901 /* FIOSETOWN */, &pid);
	ioctl(fds[0], 0x8902 /* SIOCSPGRP */, &pid);
	write(fds[1], "x", 1);
	send(fds[1], "x", 1, MSG_OOB);
	printf("all: %s\n", kill(-1, SIGUSR1) < 0 ? strerror(errno) : "done");
	printf("own group: %s\n", kill(0, SIGUSR1) < 0 ? strerror(errno) : "done");
	printf("parent: %s\n", kill(getppid(), SIGUSR1) < 0 ? strerror(errno) : "done");
	tried("key", shmget(0x1234, 4096, 0));
	tried("queue", syscall(SYS_mq_open, "/x", O_RDWR | O_CREAT, 0600, 0));
	tried("keyring", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
	tried("parents keyring", syscall(SYS_keyctl, 18, 0, 0, 0, 0));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "\033[31mred");
}

/* --- network --------------------------------------------------------------------------------------- */

static long to_path(const char *path)
{
	struct sockaddr_un there = {AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(there.sun_path, path, sizeof there.sun_path - 1);
	return connect(s, (void *)&there, sizeof there) < 0 ? -1 : s;
}

/* PORT is somebody's on the host's loopback, PATH a socket of his in a folder that we may write. */
static void sockets(int port, const char *path)
{
	struct sockaddr_in to = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 six = {AF_INET6, htons(port), 0, IN6ADDR_LOOPBACK_INIT, 0};
	int opened[2] = {0}, got = -1, s;

	for (int family = 0; family < 64; family++)
		for (int type = 1; type < 11; type++) {
			s = socket(family, type, 0);
			if (s >= 0 && family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
				printf("family %d: done\n", family);
			if (s >= 0 && (type == SOCK_RAW || type == SOCK_PACKET) && family != AF_NETLINK && family != AF_UNIX)
				printf("raw %d: done\n", family);
			opened[s >= 0]++;
			close(s);
		}
	printf("sockets: %d\n", opened[1]);
	for (int protocol = 0; protocol < 32; protocol++) {
		s = socket(AF_NETLINK, SOCK_RAW, protocol);
		if (s >= 0)
			printf("netlink %d\n", protocol);
		close(s);
	}
	s = socket(AF_INET, SOCK_DGRAM, 0);
	tried("ping", socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	tried("datagram", sendto(s, "x", 1, 0, (void *)&to, sizeof to) < 0 ? -1 : recv(s, opened, 1, MSG_DONTWAIT));
	tried("six", connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&six, sizeof six));
	tried("fast open", sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, (void *)&to, sizeof to));
	tried("device", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	tried("mark", setsockopt(s, SOL_SOCKET, SO_MARK, &(int){1}, 4));
	tried("bpf", setsockopt(s, SOL_SOCKET, SO_ATTACH_BPF, &(int){3}, 4));
	tried("ulp", setsockopt(socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, 31, "tls", 4));
	tried("namespace of a device", ioctl(s, 0x894c /* SIOCGSKNS */, 0));
	s = to_path(path);
	tried("socket of the host", s);
	if (s >= 0)
		printf("descriptors from it: %d\n", receive_fds(s, &got));
	tried("docker", to_path("/var/run/docker.sock"));
	tried("bus", to_path("/run/dbus/system_bus_socket"));
	tried("journal", to_path("/run/systemd/journal/stdout"));
}

static int server_at(const char *path)
{
	struct sockaddr_un there = {AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(there.sun_path, path, sizeof there.sun_path - 1);
	bind(s, (void *)&there, sizeof there);
	listen(s, 5);
	return s;
}

/* A socket of ours at MINE, then one of the host's that was THERE, then another of ours. */
static void swapped_sockets(const char *there, const char *mine)
{
	server_at(mine);
	tried("own", to_path(mine));
	unlink(mine);
	rename(there, mine);
	tried("moved", to_path(mine));
	unlink(mine);
	server_at(mine);
	tried("own again", to_path(mine));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, 0, _IOLBF, 0);
	if (!strcmp(what, "rights"))
		rights();
	else if (!strcmp(what, "inherited"))
		inherited(argv);
	else if (!strcmp(what, "programs"))
		programs();
	else if (!strcmp(what, "hello"))
		printf("hello from %s\n", argv[2]);
	else if (!strcmp(what, "files"))
		files();
	else if (!strcmp(what, "others"))
		others(atoi(argv[2]));
	else if (!strcmp(what, "sockets"))
		sockets(atoi(argv[2]), argv[3]);
	else if (!strcmp(what, "swapped"))
		swapped_sockets(argv[2], argv[3]);
	return 0;
}
