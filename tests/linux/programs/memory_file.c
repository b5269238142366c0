/* A program's memory as a file: what can be read and written, whatever the permissions, and what cannot. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char buffer[16384];

static void result(const char *what, long value)
{
	printf("%s %ld %s\n", what, value, value < 0 ? strerror(errno) : "");
}

static char *map(size_t size, int prot, int flags)
{
	return mmap(NULL, size, prot, flags | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	int file = open("/proc/self/mem", O_RDWR), reading = open("/proc/thread-self/mem", O_RDONLY);
	char *pages = map(4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE), *shared = map(4096, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct iovec two[2] = {{buffer, 3}, {buffer + 8, 5000}};
	struct stat status;

	memset(pages, 'a', 4 * 4096);
	strcpy(shared, "shared");
	munmap(pages + 3 * 4096, 4096);
	mprotect(pages + 4096, 4096, PROT_NONE);
	mprotect(pages + 2 * 4096, 4096, PROT_READ);
	result("whole", pread(file, buffer, 3 * 4096, (long)pages));
	result("to the end", pread(reading, buffer, 4 * 4096, (long)pages + 100));
	result("behind", pread(file, buffer, 10, (long)pages + 3 * 4096));
	result("nowhere", pread(file, buffer, 10, 0));
	result("nothing", pread(file, buffer, 0, 0));
	result("beyond", pread(file, buffer, 10, 1L << 60));
	result("over none", pwrite(file, "bbbb", 4, (long)pages + 4096 - 2));
	result("over read-only", pwrite(file, "cccc", 4, (long)pages + 3 * 4096 - 2));
	mprotect(pages, 3 * 4096, PROT_READ);
	printf("%.4s %.2s\n", pages + 4096 - 2, pages + 3 * 4096 - 2);
	result("shared", pwrite(file, "S", 1, (long)shared));
	mprotect(shared, 4096, PROT_READ);
	result("shared read-only", pwrite(file, "T", 1, (long)shared));
	printf("%s\n", shared);
	result("not opened to write", pwrite(reading, "x", 1, (long)pages));
	result("at", lseek(file, (long)pages + 4094, SEEK_SET) == (long)pages + 4094);
	result("two", readv(file, two, 2));
	result("moved", lseek(file, 0, SEEK_CUR) - (long)pages);
	printf("%.3s %.4s\n", buffer, buffer + 8);
	result("written", write(file, "dd", 2));
	result("not moved", lseek(file, 0, SEEK_CUR) - (long)pages);
	fstat(file, &status);
	printf("%o %ld\n", status.st_mode, (long)status.st_size);
	*(volatile char *)buffer = 'x';
	result("text", pwrite(file, (void *)main, 4, (long)main));
	return 0;
}
