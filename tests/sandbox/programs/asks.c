/*
 * asks: calls, options and requests that hold pointers, count what others do or change what others see, each with memory
 * full of addresses that can be read and written. A line for each that comes to something.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BYTES = 1 << 16 };
static uint64_t room[BYTES / 8];
static int tries;

static void tried(const char *what, long number, long result)
{
	tries++;
	if (result >= 0)
		printf("%s %ld: done\n", what, number);
}

/* Calls of rings, filters, keys, faults, other processes' memory, mounts, modules, and those that no kernel has yet. */
static void calls(void)
{
	static const int numbers[] = {
		0, 1, 2, 3, 4, 18, 42, 180, 217, 218, 219, 235, 236, 237, 238, 239, 241, 262, 263, 272, 277, 280, 282, 292, 294, 425,
		426, 427, 428, 429, 430, 431, 432, 433, 440, 442, 443, 444, 445, 446, 447, 448, 450, 451, 453, 457, 458, 459, 460, 461, 462,
	};

	for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
		for (long first = 0; first < 12; first++)
			tried("call", numbers[i], syscall(numbers[i], first, room, first, room, 64L, room));
	for (int number = 463; number < 520; number++)
		tried("call", number, syscall(number, room, room, room, room, room, room));
}

/* The processor's, the program's map, other schedulers, secure modes: an option of prctl that is not ours. */
static void options(void)
{
	static const int refused[] = {6, 9, 10, 11, 12, 13, 14, 19, 20, 22, 24, 26, 28, 33, 34, 35, 43, 44, 45, 46, 50, 51, 54, 57, 59, 62, 64, 65, 70, 71};

	for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++)
		tried("option", refused[i], prctl(refused[i], room, room, room, room));
}

/* Requests to files, file systems and processes, in all directions and sizes. */
static void requests(void)
{
	static const uint32_t numbers[] = {
		0x41009432, 0xc0189436, 0xc020660b, 0xc0506617, 0x40806685, 0xc0407821, 0x80111500, 0x40049409, 0x4020940d, 0x40086602,
		0x401c5820, 0xc0045877, 0xc0045878, 0xc0185879, 0x8004587d, 0x5828587e, 0xc040ff0b, 0x894c, 0x89f0, 0x8946, 0x8b01, 0x5460,
	};
	int files[] = {open(".", O_RDONLY), open("/etc/passwd", O_RDONLY), open("asked", O_RDWR | O_CREAT, 0600),
		       (int)syscall(434, getpid(), 0), socket(AF_INET, SOCK_DGRAM, 0), (int)syscall(SYS_eventfd2, 0, 0)};

	for (unsigned file = 0; file < sizeof files / sizeof *files; file++) {
		for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
			tried("request", numbers[i], syscall(SYS_ioctl, files[file], (long)numbers[i], room));
		for (uint32_t number = 0xff00; number < 0xff20; number++)
			tried("request", number, syscall(SYS_ioctl, files[file], (long)number, room));
		for (int command = 1024; command < 1045; command++)
			if (command != 1025 && command != 1027 && command != 1030 && command != 1031 && command != 1032 && command != 1034)
				tried("command", command, syscall(SYS_fcntl, files[file], command, room));
		tried("namespace", file, syscall(268, files[file], 0));
	}
}

static void names(void)
{
	static const char *const attributes[] = {"trusted.x", "security.capability", "security.ima", "system.posix_acl_access"};

	for (unsigned i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		tried(attributes[i], 0, setxattr("asked", attributes[i], room, 64, 0));
		tried(attributes[i], 1, fsetxattr(open("asked", O_RDONLY), attributes[i], room, 64, 0));
	}
	tried("handle", 0, syscall(264, AT_FDCWD, ".", room, room, 0x1000));
	for (int bit = 0; bit < 32; bit++)
		if ((1ul << bit) & 0x7e020080)
			tried("namespaces", bit, syscall(97, 1ul << bit));
}

int main(void)
{
	for (unsigned i = 0; i < BYTES / 8; i++)
		room[i] = (uint64_t)&room[i % 1024];
	calls();
	options();
	requests();
	names();
	printf("%d tries\n", tries);
	return 0;
}
