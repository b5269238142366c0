/* Limits on the size of files and of the address space; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))
#define CALL(what) do { errno = 0; long r_ = (long)(what); SAY("%s = %ld %s", #what, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static int signals;
static char bytes[5000];

static void count(int number) { signals += number == SIGXFSZ; }

static void files(void) {
    struct rlimit limit = {1000, 2000};
    struct iovec parts[2] = {{bytes, 600}, {bytes, 600}};
    struct stat status;
    int a = open("limited", O_CREAT | O_RDWR | O_TRUNC, 0600), b = open("large", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2];
    write(b, bytes, sizeof bytes);
    signal(SIGXFSZ, count);
    CALL(setrlimit(RLIMIT_FSIZE, &limit));
    CALL(writev(a, parts, 2));
    CALL(write(a, bytes, 1));
    CALL(write(a, bytes, 0));
    CALL(pwrite(a, bytes, 10, 995));
    CALL(pwrite(a, bytes, 10, 1000));
    CALL(ftruncate(a, 1000));
    CALL(ftruncate(a, 1001));
    CALL(truncate("limited", 5000));
    CALL(ftruncate(b, 4000));
    CALL(posix_fallocate(a, 0, 3000));
    SAY("%d signals", signals);
    CALL(lseek(a, 500, SEEK_SET));
    CALL(lseek(b, 0, SEEK_SET));
    CALL(sendfile(a, b, 0, 2000));
    CALL(pipe(p));
    CALL(write(p[1], bytes, sizeof bytes));
    fstat(a, &status);
    SAY("%ld bytes", (long)status.st_size);
    signal(SIGXFSZ, SIG_DFL);
    if (!fork()) { write(a, bytes, 1); write(a, bytes, 5000); write(a, bytes, 1); _exit(0); }
    int how;
    wait(&how);
    SAY("signal %d", WTERMSIG(how) == SIGXFSZ);
}

static void memory(void) {
    struct rlimit limit = {1 << 28, 1 << 28}, data = {1 << 26, 1 << 26};
    char *here;
    CALL(setrlimit(RLIMIT_AS, &limit));
    CALL(mmap(0, 1 << 28, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CALL((here = mmap(0, 1 << 27, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
    CALL(mmap(here, 1 << 27, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == here);
    CALL(mremap(here, 1 << 27, 1 << 28, MREMAP_MAYMOVE));
    CALL(mremap(here, 1 << 27, 1 << 26, 0) == here);
    CALL(setrlimit(RLIMIT_DATA, &data));
    CALL(mmap(0, 1 << 26, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CALL(mmap(0, 1 << 26, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    CALL(sbrk(1 << 26));
    CALL(sbrk(1 << 20) != (void *)-1);
}

int main(void) {
    files();
    memory();
    return 0;
}
