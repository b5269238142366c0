/* One line per observation about files; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))
#define CALL(what) do { errno = 0; long r_ = (long)(what); SAY("%s = %ld %s", #what, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static void offsets(void) {
    int a = open("shared", O_CREAT | O_RDWR | O_TRUNC, 0640), b, p[2];
    char text[32] = {0};
    write(a, "0123456789", 10);
    b = dup(a);
    CALL(lseek(b, 3, SEEK_SET));
    CALL(read(a, text, 2));
    SAY("%s", text);
    if (!fork()) { read(b, text, 2); _exit(0); }
    wait(0);
    CALL(lseek(a, 0, SEEK_CUR));
    CALL(fcntl(a, F_SETFL, O_APPEND));
    CALL(fcntl(b, F_GETFL) & (O_APPEND | O_ACCMODE));
    CALL(write(b, "ab", 2));
    CALL(pread(a, text, 4, 8));
    SAY("%s", text);
    CALL(fcntl(a, F_SETFD, FD_CLOEXEC));
    CALL(fcntl(b, F_GETFD));
    CALL(fcntl(a, F_DUPFD, 50));
    CALL(dup2(50, 51));
    CALL(dup3(50, 50, 0));
    close(50); close(51);
    CALL(lseek(a, -1, SEEK_SET));
    CALL(lseek(a, 0, SEEK_DATA));
    CALL(lseek(a, 0, SEEK_HOLE));
    struct iovec v[3] = {{"x", 1}, {0, 0}, {"yz", 2}};
    CALL(writev(a, v, 3));
    CALL(lseek(a, 0, SEEK_END));
    pipe(p);
    CALL(fcntl(p[0], F_SETFL, O_NONBLOCK));
    if (!fork()) _exit((fcntl(p[0], F_GETFL) & O_NONBLOCK) ? 7 : 8);
    int status;
    wait(&status);
    CALL(WEXITSTATUS(status));
    CALL(read(p[0], text, 1));
    close(a); close(b); close(p[0]); close(p[1]);
}

static void names(void) {
    struct stat s;
    CALL(mkdir("d", 0755));
    CALL(mkdir("d", 0755));
    CALL(mkdir("d/e/", 0700));
    CALL(mkdir("no/e", 0700));
    CALL(symlink("d/e", "l"));
    CALL(symlink("", "m"));
    CALL(readlink("l", (char[10]){0}, 2));
    CALL(readlink("d", (char[10]){0}, 10));
    CALL(link("shared", "d/hard"));
    CALL(link("d", "d/dir"));
    stat("d/hard", &s);
    SAY("mode %o nlink %ld size %ld", s.st_mode, (long)s.st_nlink, (long)s.st_size);
    lstat("l", &s);
    SAY("link mode %o size %ld", s.st_mode, (long)s.st_size);
    CALL(rename("d/hard", "d/e/moved"));
    CALL(rename("d", "d/e/x"));
    CALL(rename("shared/", "z"));
    CALL(syscall(SYS_renameat2, AT_FDCWD, "shared", AT_FDCWD, "d", 1));
    CALL(syscall(SYS_renameat2, AT_FDCWD, "shared", AT_FDCWD, "l", 2));
    CALL(syscall(SYS_renameat2, AT_FDCWD, "shared", AT_FDCWD, "l", 2));
    CALL(rmdir("d"));
    CALL(unlink("d"));
    CALL(rmdir("l"));
    CALL(rmdir("."));
    CALL(rmdir("d/e/.."));
    CALL(unlink("l/"));
    CALL(unlink("l"));
    CALL(unlink("l"));
    CALL(mknod("f", S_IFIFO | 0600, 0));
    CALL(mknod("s", S_IFSOCK | 0600, 0));
    CALL(open("s", O_RDONLY));
    CALL(open("f", O_WRONLY | O_NONBLOCK));
    umask(027);
    close(open("masked", O_CREAT | O_WRONLY, 0666));
    stat("masked", &s);
    SAY("%o", s.st_mode);
    CALL(umask(022));
}

static void folders(void) {
    char where[4096], base[4096];
    getcwd(base, sizeof base);
    mkdir("w", 0755);
    CALL(chdir("w"));
    for (int i = 0; i < 300; i++) { char n[40]; sprintf(n, "file-with-a-name-%d", i); close(creat(n, 0600)); }
    DIR *d = opendir(".");
    struct dirent *e;
    long sum = 0, count = 0;
    while ((e = readdir(d))) { count++; sum += strlen(e->d_name) * e->d_type; }
    SAY("%ld entries %ld", count, sum);
    rewinddir(d);
    SAY("again %d", readdir(d) != 0);
    int fd = dirfd(d);
    CALL(openat(fd, "nope", O_RDONLY));
    CALL(chdir(".."));
    rename("w", "v");
    CALL(fchdir(fd));
    getcwd(where, sizeof where);
    SAY("%s", where + strlen(base));
    for (int i = 0; i < 300; i++) { char n[40]; sprintf(n, "file-with-a-name-%d", i); unlink(n); }
    CALL(rmdir("../v"));
    CALL(syscall(SYS_getcwd, where, sizeof where));
    CALL(open("x", O_CREAT | O_WRONLY, 0600));
    CALL(chdir(base));
    CALL(getcwd(where, 1) != 0);
    CALL(syscall(SYS_getcwd, where, 2));
    closedir(d);
}

static void sizes(void) {
    struct stat s;
    int a = open("big", O_CREAT | O_RDWR, 0600), b = open("copy", O_CREAT | O_RDWR, 0600);
    CALL(ftruncate(a, 100000));
    CALL(ftruncate(a, -1));
    CALL(truncate("big", 70000));
    CALL(truncate("d", 1));
    fstat(a, &s);
    SAY("%ld", (long)s.st_size);
    CALL(fallocate(a, 0, 0, 80000));
    CALL(fallocate(a, 0, 0, 0));
    pwrite(a, "tail", 4, 79990);
    off_t at = 79988;
    CALL(sendfile(b, a, &at, 10));
    SAY("%ld", (long)at);
    CALL(lseek(b, 0, SEEK_CUR));
    off_t from = 79990, to = 2;
    CALL(copy_file_range(a, &from, b, &to, 4, 0));
    char text[20] = {0};
    CALL(pread(b, text, 20, 0));
    SAY("%s", text + 2);
    char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, b, 0);
    m[2] = 'T';
    msync(m, 8192, MS_SYNC);
    pread(b, text, 20, 0);
    SAY("%s", text + 2);
    CALL(futimens(a, (struct timespec[]){{1000000000, 5}, {0, UTIME_OMIT}}));
    fstat(a, &s);
    SAY("%ld.%ld", (long)s.st_atime, (long)s.st_atim.tv_nsec);
    CALL(utimensat(AT_FDCWD, "big", (struct timespec[]){{1, 1000000000}, {0, 0}}, 0));
    CALL(fchmod(a, 01711));
    fstat(a, &s);
    SAY("%o", s.st_mode);
    CALL(access("big", X_OK));
    CALL(access("copy", X_OK));
    CALL(faccessat(AT_FDCWD, "big", 8, 0));
    int t = open(".", O_TMPFILE | O_RDWR, 0600);
    if (t >= 0) {
        char link_from[40];
        write(t, "temporary", 9);
        sprintf(link_from, "/proc/self/fd/%d", t);
        CALL(linkat(AT_FDCWD, link_from, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
        stat("named", &s);
        SAY("%ld %ld", (long)s.st_size, (long)s.st_nlink);
    }
}

static void locks(void) {
    int a = open("lock", O_CREAT | O_RDWR, 0600), b = open("lock", O_RDWR);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    CALL(flock(a, LOCK_EX));
    CALL(flock(b, LOCK_EX | LOCK_NB));
    CALL(flock(a, LOCK_UN));
    CALL(fcntl(a, F_SETLK, &l));
    CALL(fcntl(b, F_SETLK, &l));
    pid_t parent = getpid();
    int ready[2];
    char byte;
    pipe(ready);
    if (!fork()) {
        struct flock q = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
        int mine = open("lock", O_RDWR);
        fcntl(mine, F_GETLK, &q);
        SAY("held by the parent: %d from %ld", q.l_pid == parent, (long)q.l_start);
        q.l_type = F_RDLCK; q.l_start = 5; q.l_len = 1;
        CALL(fcntl(mine, F_SETLK, &q));
        write(ready[1], "", 1);
        CALL(fcntl(mine, F_SETLKW, &q));
        _exit(0);
    }
    read(ready[0], &byte, 1);
    close(ready[0]);
    close(ready[1]);
    usleep(20000);
    l.l_type = F_UNLCK;
    fcntl(a, F_SETLK, &l);
    wait(0);
}

static void links_of_proc(void) {
    char text[4096];
    int a = open("shared", O_CREAT | O_RDWR, 0600), p[2];
    char name[64];
    sprintf(name, "/proc/self/fd/%d", a);
    int n = readlink(name, text, sizeof text);
    text[n > 0 ? n : 0] = 0;
    SAY("%s", strrchr(text, '/') ? strrchr(text, '/') : "?");
    unlink("shared");
    int again = open(name, O_WRONLY);
    CALL(write(again, "through", 7));
    CALL(pread(a, text, 7, 0));
    n = readlink(name, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    SAY("%s", n > 10 ? text + n - 10 : "");
    CALL(open("/proc/self/fd/999", O_RDONLY));
    CALL(open("/proc/self/nothing", O_CREAT | O_WRONLY, 0600));
    CALL(mkdir("/proc/x", 0700));
    int c = open("/proc/self/comm", O_RDONLY);
    n = read(c, text, sizeof text);
    SAY("%d", n > 1 && text[n - 1] == '\n');
    CALL(lseek(c, 0, SEEK_SET));
    CALL(write(c, "x", 1));
    c = open("/proc/self/cmdline", O_RDONLY);
    n = read(c, text, sizeof text);
    SAY("%d", n > 0 && text[n - 1] == 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long low, high, found = 0;
    while (fgets(text, sizeof text, maps))
        if (sscanf(text, "%lx-%lx", &low, &high) == 2 && low <= (unsigned long)&low && (unsigned long)&low < high)
            found = strstr(text, "[stack]") != 0;
    SAY("stack %lu", found);
    CALL(open("/proc/self/maps", O_WRONLY));
    int z = open("/dev/zero", O_RDONLY), f = open("/dev/full", O_WRONLY);
    memset(text, 1, 8);
    CALL(read(z, text, 8));
    SAY("%d", text[7]);
    CALL(write(f, "x", 1));
}

int main(void) {
    syscall(436, 3, ~0u, 0);
    offsets(); names(); folders(); sizes(); locks(); links_of_proc();
    return 0;
}
