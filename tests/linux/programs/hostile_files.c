/* System calls with arguments that no program means: bad pointers, descriptors, sizes, flags and paths.
 * Prints call, arguments and error, so that two kernels can be compared. Usage: hostile_files SEED COUNT.
 * Run it only where it can do no harm: it removes and changes whatever the paths below lead to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kinds of arguments: f descriptor, d folder descriptor, p path, b buffer, i iovec, n size, o offset, g flags,
 * m mode, c small number, s short text, u owner, h high descriptor. */
static const struct { const char *name; int number; const char *kinds; } calls[] = {
    {"openat", SYS_openat, "dpgm"}, {"read", SYS_read, "fbn"}, {"write", SYS_write, "fbn"},
    {"pread64", SYS_pread64, "fbno"}, {"pwrite64", SYS_pwrite64, "fbno"}, {"readv", SYS_readv, "fin"},
    {"writev", SYS_writev, "fin"}, {"preadv", SYS_preadv, "fino"}, {"lseek", SYS_lseek, "foc"},
    {"newfstatat", SYS_newfstatat, "dpbg"}, {"fstat", SYS_fstat, "fb"}, {"faccessat", SYS_faccessat, "dpc"},
    {"faccessat2", 439, "dpcg"}, {"readlinkat", SYS_readlinkat, "dpbn"}, {"getcwd", SYS_getcwd, "bn"},
    {"getdents64", SYS_getdents64, "fbn"}, {"mkdirat", SYS_mkdirat, "dpm"}, {"unlinkat", SYS_unlinkat, "dpg"},
    {"renameat2", SYS_renameat2, "dpdpc"}, {"linkat", SYS_linkat, "dpdpg"}, {"symlinkat", SYS_symlinkat, "pdp"},
    {"fchmod", SYS_fchmod, "fm"}, {"fchmodat", SYS_fchmodat, "dpm"}, {"fchownat", SYS_fchownat, "dpuug"},
    {"utimensat", SYS_utimensat, "dpbg"}, {"truncate", SYS_truncate, "po"}, {"ftruncate", SYS_ftruncate, "fo"},
    {"fallocate", SYS_fallocate, "fcoo"}, {"flock", SYS_flock, "fc"}, {"dup", SYS_dup, "f"},
    {"dup3", SYS_dup3, "fhg"}, {"pipe2", SYS_pipe2, "bg"}, {"sendfile", SYS_sendfile, "ffbn"},
    {"copy_file_range", SYS_copy_file_range, "fbfbng"}, {"fsync", SYS_fsync, "f"}, {"statfs", SYS_statfs, "pb"},
    {"fstatfs", SYS_fstatfs, "fb"}, {"listxattr", SYS_listxattr, "pbn"}, {"fgetxattr", SYS_fgetxattr, "fsbn"},
    {"eventfd2", SYS_eventfd2, "cg"}, {"timerfd_create", SYS_timerfd_create, "cg"},
    {"timerfd_settime", SYS_timerfd_settime, "fcbb"}, {"timerfd_gettime", SYS_timerfd_gettime, "fb"},
    {"epoll_create1", SYS_epoll_create1, "g"}, {"epoll_ctl", SYS_epoll_ctl, "fcfb"},
    {"getrandom", SYS_getrandom, "bcc"}, {"uname", SYS_uname, "b"}, {"sysinfo", SYS_sysinfo, "b"},
    {"getrusage", SYS_getrusage, "cb"}, {"getresuid", SYS_getresuid, "bbb"}, {"getcpu", SYS_getcpu, "bb"},
    {"socketpair", SYS_socketpair, "1c0b"}, {"bind", SYS_bind, "fbn"}, {"connect", SYS_connect, "fbn"},
    {"listen", SYS_listen, "fc"}, {"getsockname", SYS_getsockname, "fbb"}, {"shutdown", SYS_shutdown, "fc"},
    {"setsockopt", SYS_setsockopt, "f1cbn"}, {"sync_file_range", SYS_sync_file_range, "fooc"},
    {"fadvise64", SYS_fadvise64, "fooc"}, {"splice", SYS_splice, "fbfbcc"}, {"capget", SYS_capget, "bb"},
    {"gettimeofday", SYS_gettimeofday, "bb"}, {"chdir", SYS_chdir, "p"}, {"fchdir", SYS_fchdir, "f"},
    {"signalfd4", SYS_signalfd4, "fbcg"}, {"memfd_create", SYS_memfd_create, "sc"},
};
#define BAD 0xdead000ull
#define PICK(array) array[draw() % (sizeof array / sizeof *array)]

static uint64_t state;
static char out[1 << 20], vectors[4096];

static uint64_t draw(void) {
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    return state;
}

static uint64_t buffer(void) {
    uint64_t which = draw() % 8;
    memset(out, 0, 256);
    if (draw() % 4 == 0) out[0] = 1;
    return which == 0 ? 0 : which == 1 ? BAD : (uint64_t)out;
}

static uint64_t iovec(void) {
    uint64_t which = draw() % 8, *v = (uint64_t *)vectors;
    for (int i = 0; i < 20; i++) { v[2 * i] = (uint64_t)(out + 4096 + 10 * i); v[2 * i + 1] = i % 5; }
    if (which == 2) v[3] = -1;
    return which == 0 ? 0 : which == 1 ? BAD : (uint64_t)vectors;
}

static uint64_t path(void) {
    static const char *const paths[] = {
        "f", "dir", "dir/", "f/", "nope", "nope/x", "dir/nope", "link", "dangle", "loop", "dir/..", ".", "..", "",
        "f/x", "dir/../f", "link/", "dirlink/a", "dirlink", "dirlink/", "dir/a/.", "../../..", "/../nope"};
    uint64_t which = draw() % 30;
    return which == 0 ? 0 : which == 1 ? BAD : (uint64_t)PICK(paths);
}

static uint64_t argument(char kind) {
    static const uint64_t fds[] = {3, 4, 5, 6, 7, 8, 9, 10, -1, 99, 1000000, 0x80000000};
    static const uint64_t folders[] = {-100, -100, -100, 3, 5, 99};
    static const uint64_t sizes[] = {0, 1, 2, 8, 16, 24, 64, 100, 4096, -1, 0x7fffffff, 1ull << 31, 1ull << 63, 65536};
    static const uint64_t offsets[] = {0, 1, 5, 4096, -1, 0x7fffffffffffffff, 1ull << 63};
    static const uint64_t flags[] = {0, 0, 1, 2, 0x40, 0x80, 0x100, 0x200, 0x400, 0x1000, 0x80000, 0x241, 0x41, 0xc1};
    static const uint64_t modes[] = {0777, 0644, 0, 01644, 07777};
    static const char *const texts[] = {"user.a", "user.zzz", "foo"};
    switch (kind) {
    case 'f': return PICK(fds);
    case 'd': return PICK(folders);
    case 'h': return 50 + draw() % 3;
    case 'p': return path();
    case 'b': return buffer();
    case 'i': return iovec();
    case 'n': return PICK(sizes);
    case 'o': return PICK(offsets);
    case 'g': return PICK(flags);
    case 'm': return PICK(modes);
    case 'u': return draw() % 2 ? 0 : -1;
    case 'c': return draw() % 20 ? draw() % 12 : (uint64_t)-1;
    case 's': return draw() % 20 ? (uint64_t)PICK(texts) : BAD;
    default: return kind - '0';
    }
}

/* 3 folder, 4 file rw, 5 dir, 6 and 7 pipe, 8 socket, 9 file w, 10 O_PATH */
static void set_up(const char *folder) {
    int p[2];
    mkdir(folder, 0755);
    if (chdir(folder)) exit(9);
    umask(022);
    mkdir("dir", 0755); mkdir("dir/a", 0755);
    symlink("f", "link"); symlink("gone", "dangle"); symlink("loop", "loop"); symlink("dir", "dirlink");
    syscall(436, 3, ~0u, 0);
    open(".", O_RDONLY | O_DIRECTORY);
    write(open("f", O_CREAT | O_RDWR, 0644), "hello world\n", 12);
    lseek(4, 0, SEEK_SET);
    open("dir", O_RDONLY);
    pipe2(p, O_NONBLOCK);
    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    open("f", O_WRONLY);
    open("f", O_PATH);
}

static void show(const char *kinds, const uint64_t *a) {
    for (int i = 0; kinds[i]; i++) {
        int text = (kinds[i] == 'p' || kinds[i] == 's') && a[i] && a[i] != BAD;
        if (i) printf(", ");
        if (text) printf("\"%s\"", (char *)a[i]);
        else if (a[i] == (uint64_t)out) printf("out");
        else if (a[i] == (uint64_t)vectors) printf("iov");
        else printf("%#llx", (unsigned long long)a[i]);
    }
}

int main(int argc, char **argv) {
    char folder[64];
    state = 88172645463325252ull ^ (uint64_t)atoi(argv[1]) * 0x9E3779B97F4A7C15ull;
    for (unsigned t = 0; t < sizeof calls / sizeof *calls; t++)
        for (int n = 0; n < atoi(argv[2]); n++) {
            uint64_t a[6] = {0};
            sprintf(folder, "/w%u-%d", t, n);
            set_up(folder);
            for (int i = 0; calls[t].kinds[i]; i++) a[i] = argument(calls[t].kinds[i]);
            if (calls[t].number == SYS_openat) a[2] |= O_NONBLOCK;
            if (calls[t].number == SYS_flock) a[1] |= 4;
            if (calls[t].number == SYS_bind || calls[t].number == SYS_connect) out[0] = 1;
            errno = 0;
            long result = syscall(calls[t].number, a[0], a[1], a[2], a[3], a[4], a[5]);
            printf("%s(", calls[t].name);
            show(calls[t].kinds, a);
            /* How much was transferred depends on where the buffer ends; that it was is what counts. */
            printf(") = %s\n", result < 0 ? strerror(errno) : "ok");
            fflush(stdout);
        }
    return 0;
}
