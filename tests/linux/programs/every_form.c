/* Each system call that has a form in C, as plainly as a program can make it: ROUNDS times,
   in the working directory, where there is a file called old. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HERE AT_FDCWD
static _Alignas(4096) char buffer[4096];
static uint32_t word;

static void itself(void)
{
	uint64_t mask = 0;

	syscall(SYS_getpid);
	syscall(SYS_gettid);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, buffer);
	syscall(SYS_gettimeofday, buffer, NULL);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8);
	syscall(SYS_rt_sigaction, SIGUSR1, buffer + 64, buffer, 8);
	syscall(SYS_set_tid_address, &word);
	syscall(SYS_set_robust_list, buffer, 24);
	syscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, buffer);
	syscall(SYS_rseq, buffer, 32, 0, 0);
	syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void transfers(int file, int epoll)
{
	struct iovec piece = {buffer, 10};
	struct pollfd asked = {.fd = file, .events = POLLIN};
	struct timespec none = {0};

	syscall(SYS_write, file, buffer, 10);
	syscall(SYS_writev, file, &piece, 1);
	syscall(SYS_pwrite64, file, buffer, 10, 0);
	syscall(SYS_lseek, file, 0, SEEK_SET);
	syscall(SYS_read, file, buffer, 10);
	syscall(SYS_readv, file, &piece, 1);
	syscall(SYS_pread64, file, buffer, 10, 0);
	syscall(SYS_ppoll, &asked, 1, &none, NULL, 8);
	syscall(SYS_epoll_pwait, epoll, buffer, 1, 0, NULL, 8);
}

static void descriptors(int file, int folder, int old)
{
	syscall(SYS_fstat, old, buffer);
	syscall(SYS_fstatfs, file, buffer);
	syscall(SYS_getdents64, folder, buffer, 1024);
	syscall(SYS_fcntl, file, F_GETFD);
	syscall(SYS_close, syscall(SYS_dup, file));
	syscall(SYS_munmap, syscall(SYS_mmap, 0, 10, PROT_READ, MAP_PRIVATE, old, 0), 10);
}

/* By names alone, and by way of links. */
static void lookups(void)
{
	syscall(SYS_newfstatat, HERE, "old", buffer, 0);
	syscall(SYS_newfstatat, HERE, "to-old", buffer, 0);
	syscall(SYS_statx, HERE, "here/to-old", 0, STATX_BASIC_STATS, buffer);
	syscall(SYS_statfs, "file", buffer);
	syscall(SYS_statfs, "here/link", buffer);
	syscall(SYS_faccessat, HERE, "here/file", R_OK);
	syscall(SYS_readlinkat, HERE, "link", buffer, 100);
	syscall(SYS_readlinkat, HERE, "here//link", buffer, 100);
	int opened = syscall(SYS_openat, HERE, "here/link", O_RDONLY);
	syscall(SYS_close_range, opened, opened, 0);
}

static void entries(void)
{
	syscall(SYS_mkdirat, HERE, "folder", 0777);
	syscall(SYS_unlinkat, HERE, "folder", AT_REMOVEDIR);
	syscall(SYS_linkat, HERE, "file", HERE, "other", 0);
	syscall(SYS_renameat, HERE, "other", HERE, "third", 0);
	syscall(SYS_renameat2, HERE, "third", HERE, "other", 0);
	syscall(SYS_unlinkat, HERE, "other", 0);
	syscall(SYS_symlinkat, "file", HERE, "again");
	syscall(SYS_unlinkat, HERE, "again", 0);
}

/* argv: ROUNDS, and the mode bits that new files and folders are to have beside 0600. */
int main(int argc, char **argv)
{
	int rounds = atoi(argv[1]), bits = strtol(argv[2], NULL, 8);
	int file = open("file", O_RDWR | O_CREAT, 0600), folder = open(".", O_RDONLY | O_DIRECTORY);
	int old = open("old", O_RDONLY), epoll = epoll_create1(0), made, event = eventfd(1, 0);
	struct epoll_event wanted = {.events = EPOLLIN};

	symlink("file", "link"), symlink("old", "to-old"), symlink(".", "here");
	epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted);
	for (int i = 0; i < rounds; i++) {
		itself();
		transfers(file, epoll);
		descriptors(file, folder, old);
		lookups();
		entries();
		made = syscall(SYS_openat, HERE, "made", O_WRONLY | O_CREAT, 0600 | bits);
		syscall(SYS_close_range, made, made, 0);
		syscall(SYS_mkdirat, HERE, "sub", 0700 | bits);
		syscall(SYS_unlinkat, HERE, "sub", AT_REMOVEDIR);
		syscall(SYS_unlinkat, HERE, "made", 0);
	}
	_exit(0);
}
