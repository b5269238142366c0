/* What brk, mmap and relatives answer; the output was recorded on a real kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L
static sigjmp_buf back;
static siginfo_t seen;

static void say(const char *what, long result)
{
    if (result == -1)
        printf("%s: error %d\n", what, errno);
    else
        printf("%s: %s\n", what, result ? "non-zero" : "0");
}

static void caught(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    seen = *info;
    siglongjmp(back, 1);
}

/* Touch a byte and say which signal that gave, relative to base. */
static void touch(const char *what, volatile char *at, int store, char *base)
{
    if (sigsetjmp(back, 1) == 0) {
        if (store)
            *at = 7;
        else
            (void)*at;
        printf("%s: fine\n", what);
    } else {
        printf("%s: signal %d code %d at +%ld\n", what, seen.si_signo, seen.si_code, (long)((char *)seen.si_addr - base));
    }
}

static char *map(long size, int prot, int flags, int fd, long offset)
{
    return mmap(0, size, prot, flags, fd, offset);
}

static void arguments(int fd)
{
    int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    say("mmap length 0", (long)map(0, rw, anon, -1, 0));
    say("mmap length -1", (long)map(-1, rw, anon, -1, 0));
    say("mmap length 2^60", (long)map(1L << 60, rw, anon, -1, 0));
    say("mmap no type", (long)map(PAGE, rw, MAP_ANONYMOUS, -1, 0));
    say("mmap bad fd", (long)map(PAGE, rw, MAP_PRIVATE, 77, 0));
    say("mmap odd offset", syscall(SYS_mmap, 0, PAGE, rw, anon, -1, 1));
    say("mmap file odd offset", syscall(SYS_mmap, 0, PAGE, rw, MAP_PRIVATE, fd, 100));
    say("mmap fixed odd", (long)mmap((void *)0x10000001, PAGE, rw, anon | MAP_FIXED, -1, 0));
    say("mmap fixed beyond", (long)mmap((void *)0xffffffffff000, PAGE, rw, anon | MAP_FIXED, -1, 0));
    say("mmap file offset huge", syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0x7ffffffffffff000));
    say("munmap odd", munmap((void *)0x10000001, PAGE));
    say("munmap length 0", munmap((void *)0x10000000, 0));
    say("munmap nothing", munmap((void *)0x10000000, PAGE));
    say("munmap kernel", munmap((void *)0xffff000000000000, PAGE));
    say("mprotect odd", mprotect((void *)0x10000001, PAGE, rw));
    say("mprotect nothing", mprotect((void *)0x10000000, PAGE, rw));
    say("mprotect nothing, length 0", mprotect((void *)0x10000000, 0, rw));
    say("mprotect bad prot", mprotect((void *)0x10000000, PAGE, 0x1000));
    say("madvise bad advice", madvise((void *)0x10000000, PAGE, 999));
    say("madvise odd", madvise((void *)0x10000001, PAGE, MADV_NORMAL));
    say("madvise nothing", madvise((void *)0x10000000, PAGE, MADV_DONTNEED));
    say("madvise nothing, length 0", madvise((void *)0x10000000, 0, MADV_DONTNEED));
    say("msync bad flags", msync((void *)0x10000000, PAGE, 64));
    say("msync both", msync((void *)0x10000000, PAGE, MS_SYNC | MS_ASYNC));
    say("msync nothing", msync((void *)0x10000000, PAGE, MS_SYNC));
    say("msync odd", msync((void *)0x10000001, PAGE, MS_SYNC));
    say("mlock nothing", mlock((void *)0x10000000, PAGE));
    say("munlock nothing", munlock((void *)0x10000000, PAGE));
    say("mlockall 0", mlockall(0));
    say("mlockall 64", mlockall(64));
    unsigned char vector[4];
    say("mincore nothing", mincore((void *)0x10000000, PAGE, vector));
    say("mincore odd", mincore((void *)0x10000001, PAGE, vector));
}

static void remapping(void)
{
    int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    char *area = map(16 * PAGE, PROT_NONE, anon, -1, 0);
    char *a = mmap(area, 2 * PAGE, rw, anon | MAP_FIXED, -1, 0);
    strcpy(a + PAGE, "kept");
    say("mremap odd", (long)mremap(a + 1, PAGE, PAGE, 0));
    say("mremap new 0", (long)mremap(a, PAGE, 0, 0));
    say("mremap flags", (long)mremap(a, PAGE, PAGE, 64));
    say("mremap fixed alone", (long)mremap(a, PAGE, PAGE, MREMAP_FIXED, area));
    say("mremap nothing", (long)mremap((void *)0x10000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    say("mremap across mappings", (long)mremap(a, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
    say("mremap no room", (long)mremap(a, 2 * PAGE, 4 * PAGE, 0));
    say("mremap overlapping", (long)mremap(a, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a + PAGE));
    say("mremap private 0", (long)mremap(a, 0, PAGE, MREMAP_MAYMOVE));
    char *b = mremap(a, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 8 * PAGE);
    printf("mremap fixed: +%ld %s\n", (b - area) / PAGE, b + PAGE);
    touch("old place", a, 0, area);
    touch("grown part", b + 3 * PAGE, 1, area);
    touch("behind it", b + 4 * PAGE, 0, area);
    char *c = mremap(b, 4 * PAGE, PAGE, 0);
    printf("shrunk in place: %d\n", c == b);
    touch("cut off", b + PAGE, 0, area);
    munmap(area, 16 * PAGE);
}

static void protecting(void)
{
    int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    char *a = map(8 * PAGE, rw, anon, -1, 0);
    a[3 * PAGE] = 1;
    say("mprotect read", mprotect(a + 2 * PAGE, 2 * PAGE, PROT_READ));
    touch("store to read-only", a + 3 * PAGE + 5, 1, a);
    touch("load from read-only", a + 3 * PAGE, 0, a);
    touch("store before it", a + 2 * PAGE - 1, 1, a);
    say("mprotect none", mprotect(a + 5 * PAGE, PAGE, PROT_NONE));
    touch("load from none", a + 5 * PAGE, 0, a);
    say("mprotect write", mprotect(a + 6 * PAGE, PAGE, PROT_WRITE));
    touch("load from write-only", a + 6 * PAGE, 0, a);
    munmap(a + 7 * PAGE, PAGE);
    say("mprotect over a hole", mprotect(a, 8 * PAGE, PROT_READ));
    touch("store after the failure", a, 1, a);
    say("mprotect back", mprotect(a, 7 * PAGE, rw));
    say("madvise dontneed", madvise(a, 4 * PAGE, MADV_DONTNEED));
    printf("content after dontneed: %d\n", a[3 * PAGE]);
    say("read into none", (long)read(0, (void *)1, 1) == -1 ? errno == EFAULT || errno == EAGAIN || errno == EIO : 1);
    munmap(a, 7 * PAGE);
    touch("unmapped", a, 0, a);
}

static void files(int fd)
{
    char page[PAGE];
    memset(page, 'x', PAGE);
    for (int i = 0; i < 2; i++)
        write(fd, page, PAGE);
    write(fd, "tail", 4);
    char *a = map(5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    printf("tail: %.4s then %d\n", a + 2 * PAGE, a[2 * PAGE + 4]);
    touch("private beyond the end", a + 3 * PAGE + 9, 0, a);
    touch("private store beyond the end", a + 4 * PAGE, 1, a);
    strcpy(a, "mine");
    char *s = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("private store not shared: %c\n", s[0]);
    strcpy(s + 100, "shared");
    char text[16] = "";
    pread(fd, text, 7, 100);
    printf("store seen by read: %s\n", text);
    pwrite(fd, "written", 8, 200);
    printf("write seen by load: %s\n", s + 200);
    printf("second page of private sees it: %c\n", a[PAGE]);
    touch("shared beyond the end", s + 3 * PAGE, 0, s);
    touch("shared second page", s + PAGE, 1, s);
    ftruncate(fd, PAGE);
    touch("shared after truncate", s + PAGE + 3, 0, s);
    say("read into what is gone", pread(fd, s + PAGE, 10, 0));
    ftruncate(fd, 3 * PAGE);
    printf("after growing again: %d\n", s[2 * PAGE]);
    say("msync", msync(s, 3 * PAGE, MS_SYNC));
    say("dontneed private", madvise(a, PAGE, MADV_DONTNEED));
    printf("private is the file again: %c\n", a[0]);
    munmap(a, 5 * PAGE);
    munmap(s, 4 * PAGE);
    int ro = open("/proc/self/exe", O_RDONLY);
    say("shared writable of read-only", (long)map(PAGE, PROT_WRITE, MAP_SHARED, ro, 0));
    char *r = map(PAGE, PROT_READ, MAP_SHARED, ro, 0);
    say("mprotect it writable", mprotect(r, PAGE, PROT_READ | PROT_WRITE));
    int dir = open("/", O_RDONLY);
    say("mmap a folder", (long)map(PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    int pipes[2];
    pipe(pipes);
    say("mmap a pipe", (long)map(PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
}

static void sharing(void)
{
    int rw = PROT_READ | PROT_WRITE;
    char *s = map(2 * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *p = map(2 * PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *w = map(PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = s[0] = w[0] = 1;
    say("wipe on fork", madvise(w, PAGE, MADV_WIPEONFORK));
    say("wipe shared", madvise(s, PAGE, MADV_WIPEONFORK));
    fflush(stdout);
    if (fork() == 0) {
        printf("child sees %d %d %d\n", s[0], p[0], w[0]);
        fflush(stdout);
        s[0] = p[0] = 2;
        _exit(0);
    }
    wait(0);
    printf("parent sees %d %d %d\n", s[0], p[0], w[0]);
}

static void heap(void)
{
    char *start = sbrk(0);
    say("sbrk up", sbrk(5 * PAGE) == start ? 0 : 1);
    touch("heap", start + 4 * PAGE, 1, start);
    say("sbrk down", sbrk(-4 * PAGE) == start + 5 * PAGE ? 0 : 1);
    char *end = (char *)(((long)start + PAGE + PAGE - 1) & -PAGE);
    touch("behind the heap", end, 1, end);
    say("brk refused", syscall(SYS_brk, 1) == (long)sbrk(0) ? 0 : 1);
    say("brk absurd", syscall(SYS_brk, -1L) == (long)sbrk(0) ? 0 : 1);
}

static void executing(void)
{
    static const uint32_t answer[] = {0x52800540, 0xd65f03c0}; /* mov w0, #42; ret */
    int rw = PROT_READ | PROT_WRITE;
    uint32_t *code = (uint32_t *)map(PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, answer, sizeof answer);
    if (sigsetjmp(back, 1) == 0)
        ((int (*)(void))code)();
    else
        printf("execute data: signal %d code %d at +%ld\n", seen.si_signo, seen.si_code, (long)((char *)seen.si_addr - (char *)code));
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    printf("executed: %d\n", ((int (*)(void))code)());
    mprotect(code, PAGE, rw | PROT_EXEC);
    for (int i = 1; i <= 30; i++) {
        code[0] = 0x52800000 | i << 5;
        __builtin___clear_cache((char *)code, (char *)(code + 1));
        if (((int (*)(void))code)() != i)
            printf("stale code at %d\n", i);
    }
    printf("rewritten 30 times\n");
    munmap(code, PAGE);
    if (sigsetjmp(back, 1) == 0)
        ((int (*)(void))code)();
    else
        printf("execute unmapped: signal %d code %d at +%ld\n", seen.si_signo, seen.si_code, (long)((char *)seen.si_addr - (char *)code));
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    sigaction(SIGILL, &action, 0);
    int fd = open("memory_calls.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
    arguments(fd);
    remapping();
    protecting();
    files(fd);
    sharing();
    heap();
    executing();
    unlink("memory_calls.tmp");
    return 0;
}
