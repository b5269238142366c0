/* What each of the paths is: places PATH..., asked often. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 8 };

int main(int argc, char **argv)
{
    char entries[4096];

    for (int i = 1; i < argc * ROUNDS; i++) {
        const char *path = argv[1 + i % (argc - 1)];
        struct stat status;
        struct statfs system;
        int found = fstatat(AT_FDCWD, path, &status, 0), there = statfs(path, &system);
        int fd = openat(AT_FDCWD, path, O_RDONLY);
        long listed = syscall(SYS_getdents64, fd, entries, sizeof(entries));
        printf("%s %d %o %lu %d %d %d %ld %d\n", path, found, status.st_mode, (unsigned long)status.st_ino, there,
               there ? 0 : (int)system.f_type, fd, listed, close(fd));
    }
    return 0;
}
