/* Memory calls with random, mostly absurd arguments; each line: call, arguments, error, result. Recorded on a real kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AREA (1UL << 20)
static const uint64_t values[] = {
    0, 1, -1UL, 0x7fffffffffffffff, 0x8000000000000000, 0x1000, 0xfff, 0xffffffff, 0x80000000, 1UL << 47, 1UL << 48,
    1UL << 52, (1UL << 52) - 4096, 0x400000, 0xfffffff0, 3, 64, ~0xfffUL, 0x123456789000,
};
static const int calls[] = {
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_msync, SYS_mincore, SYS_mlock, SYS_munlock,
    SYS_brk, SYS_mlockall, SYS_munlockall,
};
static uint32_t state;
static char *area;

static uint32_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static uint64_t argument(void)
{
    uint32_t s = draw();
    uint64_t value = values[s % (sizeof values / sizeof *values)];
    if ((s >> 8) % 5 == 0)
        value = (uint64_t)area + (s >> 12) % 300 * 4096;
    if ((s >> 20) % 3 == 0)
        value += (s >> 24) % 3 ? 0 : 4096;
    return value;
}

/* Leave the program itself alone, and ask for nothing that depends on how much memory there is. */
static void tame(int call, uint64_t *a)
{
    int changes = call == SYS_munmap || call == SYS_mprotect || call == SYS_madvise || call == SYS_mremap;
    if ((changes || call == SYS_mmap) && (a[0] <= 0x5000000 || a[0] > 0xffff00000000))
        a[0] = (uint64_t)area;
    if (changes && a[1] > AREA)
        a[1] &= 2 * AREA - 1;
    if (call == SYS_mremap) {
        a[2] &= 0x1fffffff;
        a[4] = (uint64_t)area + 2 * AREA;
    }
    if (call == SYS_mmap) {
        a[3] &= ~0x10UL;
        if (a[1] > AREA && a[1] < 1UL << 44)
            a[1] = AREA;
    }
    if (call == SYS_mincore && a[2] > 0xffff00000000)
        a[2] = 0;
    if (call == SYS_brk && a[0] < 1UL << 44)
        a[0] = 0;
}

int main(int argc, char **argv)
{
    state = atoi(argv[1]);
    close(0);
    open("/dev/null", O_RDONLY);
    area = mmap(0, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 500; i++) {
        uint64_t a[6];
        for (int j = 0; j < 6; j++)
            a[j] = argument();
        int call = calls[(state >> 3) % (sizeof calls / sizeof *calls)];
        tame(call, a);
        long result = syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]);
        int error = result == -1 ? errno : 0;
        if (call == SYS_brk)
            result = 0; /* where the heap is depends on the program's size */
        printf("%d(%lx, %lx, %lx, %lx, %lx, %lx): %d %lx\n", call, a[0], a[1], a[2], a[3], a[4], a[5], error, result);
    }
    return argc != 2;
}
