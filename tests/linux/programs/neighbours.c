/* What /proc shows of another process; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *who, pid_t pid) {
    char path[64], text[4096], mine[4096];
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "cwd" : "exe";
        sprintf(path, "/proc/%d/%s", pid, name);
        ssize_t size = readlink(path, text, sizeof text - 1);
        text[size < 0 ? 0 : size] = 0;
        sprintf(path, "/proc/self/%s", name);
        size = readlink(path, mine, sizeof mine - 1);
        mine[size < 0 ? 0 : size] = 0;
        printf("%s: same %s %d, ends in /below %d\n", who, name, !strcmp(text, mine),
               strlen(text) > 6 && !strcmp(text + strlen(text) - 6, "/below"));
    }
    sprintf(path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    printf("%s:", who);
    for (ssize_t at = 0, first = 1; at < size; at += strlen(text + at) + 1, first = 0)
        if (!first) printf(" [%s]", text + at);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    int up[2], down[2];
    char byte = 0;
    if (argc > 1) { write(atoi(argv[1]), "", 1); read(atoi(argv[2]), &byte, 1); return 0; }
    pipe(up);
    pipe(down);
    mkdir("below", 0700);
    pid_t parent = getpid(), fork_only = fork();
    if (!fork_only) {
        show("parent seen by child", parent);
        chdir("below");
        write(up[1], "", 1);
        read(down[0], &byte, 1);
        char a[16], b[16];
        sprintf(a, "%d", up[1]);
        sprintf(b, "%d", down[0]);
        execl("/proc/self/exe", "other name", a, b, "two words", "", (char *)0);
        _exit(9);
    }
    read(up[0], &byte, 1);
    show("fork", fork_only);
    write(down[1], "", 1);
    read(up[0], &byte, 1);
    show("exec", fork_only);
    write(down[1], "", 1);
    wait(0);
    return 0;
}
