/* process_vm_readv and process_vm_writev; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))
#define CALL(what) do { errno = 0; long r_ = (long)(what); SAY("%s = %ld %s", #what, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

int main(void) {
    static char from[10000], to[10000];
    char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t me = getpid();
    munmap(two + 4096, 4096);
    for (int i = 0; i < 10000; i++) from[i] = i % 251;
    struct iovec whole = {from, sizeof from}, parts[3] = {{to, 10}, {to + 10, 0}, {to + 10, 9990}};
    struct iovec edge = {two + 4000, 200}, bad = {(void *)8, 8}, none = {from, 0};
    CALL(process_vm_readv(me, parts, 3, &whole, 1, 0));
    SAY("%d", memcmp(from, to, sizeof to));
    CALL(process_vm_readv(me, parts, 3, &edge, 1, 0));
    CALL(process_vm_writev(me, &whole, 1, &edge, 1, 0));
    SAY("%d", memcmp(two + 4000, from, 96));
    CALL(process_vm_readv(me, parts, 1, &bad, 1, 0));
    CALL(process_vm_readv(me, &bad, 1, &whole, 1, 0));
    CALL(process_vm_readv(me, parts, 1, &whole, 1, 1));
    CALL(process_vm_readv(me, &none, 1, &whole, 1, 0));
    CALL(process_vm_readv(999999, parts, 1, &whole, 1, 0));
    mprotect(two, 4096, PROT_READ);
    edge.iov_len = 10;
    CALL(process_vm_writev(me, &whole, 1, &edge, 1, 0));
    CALL(process_vm_readv(me, parts, 1, &edge, 1, 0));
    return 0;
}
