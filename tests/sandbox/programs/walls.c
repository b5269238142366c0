/* walls WHAT [ARG...]: one attack of each class on what runs this program. Prints a line for each try. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static const char *strerror_of(int number)
{
	return number == EPERM ? "EPERM" : number == EACCES ? "EACCES" : number == EROFS ? "EROFS"
	     : number == ENOENT ? "ENOENT" : number == EBUSY ? "EBUSY" : number == EXDEV ? "EXDEV"
	     : number == ENOSYS ? "ENOSYS" : number == EINVAL ? "EINVAL" : number == ESRCH ? "ESRCH"
	     : number == EAFNOSUPPORT ? "EAFNOSUPPORT" : number == ENOPROTOOPT ? "ENOPROTOOPT"
	     : number == ENOTTY ? "ENOTTY" : number == EBADF ? "EBADF" : number == ECONNREFUSED ? "ECONNREFUSED"
	     : number == EOPNOTSUPP ? "EOPNOTSUPP" : number == EPROTONOSUPPORT ? "EPROTONOSUPPORT"
	     : number == ENETUNREACH ? "ENETUNREACH" : number == ENODEV ? "ENODEV" : "another";
}

static void tried(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror_of(errno) : "done");
}

/* Change, replace, remove and shadow what is at PATH. */
static void own(const char *path)
{
	char other[4096], link_to[4096];
	int fd;

	tried("write", fd = open(path, O_WRONLY));
	tried("append", fd = open(path, O_RDWR | O_APPEND | O_CREAT, 0644));
	tried("cut", truncate(path, 0));
	tried("remove", unlink(path));
	tried("mode", chmod(path, 0777));
	tried("times", utimensat(AT_FDCWD, path, 0, 0));
	tried("attribute", syscall(SYS_setxattr, path, "user.x", "y", 1, 0));
	snprintf(other, sizeof other, "%s.new", path);
	tried("move away", rename(path, "moved"));
	fd = open("planted", O_WRONLY | O_CREAT, 0755);
	tried("move over", rename("planted", path));
	tried("link", link(path, "linked"));
	tried("plant beside", open(other, O_WRONLY | O_CREAT, 0644));
	snprintf(link_to, sizeof link_to, "link-%d", getpid());
	symlink(path, link_to);
	tried("through a link", open(link_to, O_WRONLY));
	fd = open(path, O_RDONLY);
	snprintf(other, sizeof other, "/proc/self/fd/%d", fd);
	tried("through /proc", open(other, O_RDWR));
	tried("by descriptor", fchmod(fd, 0777));
	snprintf(other, sizeof other, "%s", path);
	for (char *slash; (slash = strrchr(other, '/')) && slash != other;) {
		*slash = 0;
		if (!strcmp(other, ".") || !strcmp(other, ".."))
			break;
		tried("move its folder", rename(other, "elsewhere"));
	}
}

static void reads(int count, char **paths)
{
	for (int i = 0; i < count; i++)
		tried(paths[i], open(paths[i], O_RDONLY));
}

/* Everything that would reach other processes of the host: PID is one of them. */
static void processes(int pid)
{
	struct iovec mine = {&pid, sizeof pid}, theirs = {(void *)0x400000, 8};
	char path[64];
	int fd;

	tried("kill", kill(pid, SIGKILL));
	tried("tgkill", syscall(SYS_tgkill, pid, pid, SIGKILL));
	tried("sigqueue", syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &mine));
	tried("ptrace", ptrace(PTRACE_ATTACH, pid, 0, 0));
	tried("seize", ptrace(0x4206, pid, 0, 0));
	tried("read memory", syscall(SYS_process_vm_readv, pid, &mine, 1, &theirs, 1, 0));
	tried("pidfd", syscall(434, pid, 0));
	for (const char **name = (const char *[]){"mem", "environ", "fd/1", "root", 0}; *name; name++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, *name);
		tried(*name, open(path, O_RDONLY));
	}
	tried("namespace", syscall(SYS_unshare, 0x10000000));
	tried("setpriority", syscall(SYS_setpriority, 0, pid, 10));
	tried("getfd", syscall(438, fd = syscall(434, getppid(), 0), 0, 0));
}

/* Sockets and interfaces of the host. */
static void network(int port, const char *name)
{
	static const int families[] = {AF_PACKET, 38 /* ALG */, 40 /* VSOCK */, 15 /* KEY */, 29 /* CAN */, 44 /* XDP */};
	struct sockaddr_in to = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un abstract = {AF_UNIX};
	struct sock_filter nothing = {0x06, 0, 0, 0};
	struct sock_fprog program = {1, &nothing};
	struct { struct nlmsghdr head; struct ifinfomsg link; } gone = {
		{sizeof gone, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {0, 0, 1, 0, 0}};
	struct { struct nlmsghdr head; int error; struct nlmsghdr of; } answer = {0};
	struct ifreq lo = {"lo"};
	int s;

	for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
		tried("family", socket(families[i], SOCK_RAW, 0) < 0 ? socket(families[i], SOCK_DGRAM, 0) : 0);
	tried("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	s = socket(AF_INET, SOCK_STREAM, 0);
	tried("connect", connect(s, (void *)&to, sizeof to));
	tried("filter", setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
	tried("filter back", getsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program, &(socklen_t){sizeof program}));
	tried("netfilter", setsockopt(s, IPPROTO_IP, 64, &program, sizeof program));
	tried("pidfds", setsockopt(s, SOL_SOCKET, 76, &(int){1}, 4));
	tried("down", ioctl(s, SIOCSIFFLAGS, &lo));
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(abstract.sun_path + 1, name);
	tried("abstract", connect(s, (void *)&abstract, 2 + 1 + strlen(name)));
	s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	send(s, &gone, sizeof gone, 0);
	recv(s, &answer, sizeof answer, 0);
	errno = -answer.error;
	tried("delete an interface", answer.error ? -1 : 0);
	tried("other netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
}

/* Calls that change machines, load code or count events. */
static void machine(void)
{
	static const struct { const char *name; long number; } calls[] = {
		{"mount", 40}, {"umount2", 39}, {"pivot_root", 41}, {"bpf", 280}, {"perf_event_open", 241},
		{"io_uring_setup", 425}, {"keyctl", 219}, {"add_key", 217}, {"userfaultfd", 282}, {"kexec_load", 104},
		{"init_module", 105}, {"finit_module", 273}, {"open_by_handle_at", 265}, {"setns", 268},
		{"fanotify_init", 262}, {"landlock_create_ruleset", 444}, {"seccomp", 277}, {"reboot", 142},
		{"sethostname", 161}, {"swapon", 224}, {"acct", 89}, {"quotactl", 60}, {"clock_settime", 112},
		{"memfd_secret", 447}, {"process_madvise", 440}, {"kcmp", 272}, {"lookup_dcookie", 18},
	};

	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
		tried(calls[i].name, syscall(calls[i].number, -1, 0, 0, 0, 0, 0));
	tried("device", mknod("disk", S_IFBLK | 0600, 0x700));
	tried("type into the terminal", ioctl(1, 0x5412, "x"));
	tried("namespaces of a child", syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0));
}

/* Descriptors of the emulator: every number, and what /proc tells of them. */
static void descriptors(void)
{
	char name[64], target[256];
	DIR *folder = opendir("/proc/self/fd");
	int own = dirfd(folder), extra = 0, shown = 0;
	struct dirent *entry;

	while ((entry = readdir(folder)))
		shown += entry->d_name[0] != '.';
	for (int fd = 3; fd < 4096; fd++)
		extra += fd != own && fcntl(fd, F_GETFD) >= 0;
	printf("open: %d of 4\nmore: %d\n", shown, extra);
	for (int fd = 0; fd < 2048; fd++) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		long size = readlink(name, target, sizeof target - 1);
		if (size > 0 && (target[size] = 0, strstr(target, "uprobe")))
			printf("shown: %s\n", target);
	}
}

/* A file that would give root's rights to who executes it. */
static void setuid_file(void)
{
	int fd = open("suid", O_WRONLY | O_CREAT, 04755);
	struct stat status;

	tried("chmod", chmod("suid", 04755));
	tried("fchmod", fchmod(fd, 06755));
	fstat(fd, &status);
	printf("bits: %o\n", status.st_mode & 06000);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, 0, _IOLBF, 0);
	if (!strcmp(what, "own"))
		for (int i = 2; i < argc; i++)
			own(argv[i]);
	else if (!strcmp(what, "reads"))
		reads(argc - 2, argv + 2);
	else if (!strcmp(what, "processes"))
		processes(atoi(argv[2]));
	else if (!strcmp(what, "network"))
		network(atoi(argv[2]), argc > 3 ? argv[3] : "none");
	else if (!strcmp(what, "machine"))
		machine();
	else if (!strcmp(what, "descriptors"))
		descriptors();
	else if (!strcmp(what, "setuid"))
		setuid_file();
	return 0;
}
