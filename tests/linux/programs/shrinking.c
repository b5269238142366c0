/* A mapped file that somebody makes shorter; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile char *place;

static void bus(int number, siginfo_t *info, void *context) {
    printf("signal %d code %d, there %d\n", number == SIGBUS, info->si_code, info->si_addr == (void *)(place + 40000));
    siglongjmp(back, 1);
}

static void touch(const char *when) {
    printf("%s: ", when);
    if (!sigsetjmp(back, 1)) printf("%d\n", place[40000]);
    fflush(stdout);
}

static void copies(int fd) {
    char *private = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    private[100] = private[40000] = 3;
    ftruncate(fd, 4096);
    place = private;
    touch("a copy");
    ftruncate(fd, 65536);
    touch("longer again");
    printf("what stayed %d\n", private[100]);
    private[40000] = 4;
    ftruncate(fd, 40001);
    touch("in the last page");
    munmap(private, 65536);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = bus, .sa_flags = SA_SIGINFO};
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600), told[2];
    char byte;
    sigaction(SIGBUS, &action, 0);
    pipe(told);
    ftruncate(fd, 65536);
    copies(fd);
    ftruncate(fd, 65536);
    place = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    place[40000] = 5;
    touch("whole");
    ftruncate(fd, 4096);
    touch("by ftruncate");
    ftruncate(fd, 65536);
    touch("longer again");
    place[40000] = 6;
    close(open("mapped", O_WRONLY | O_TRUNC));
    touch("by open");
    ftruncate(fd, 65536);
    place[40000] = 7;
    if (!fork()) { truncate("mapped", 100); _exit(0); }
    wait(0);
    touch("by a child");
    errno = 0;
    printf("%d", (int)write(told[1], (char *)place + 40000, 1));
    printf(" %s\n", strerror(errno));
    fflush(stdout);
    ftruncate(fd, 65536);
    place[40000] = 8;
    touch("longer again");
    pid_t child = fork();
    if (!child) { ftruncate(fd, 0); write(told[1], "", 1); pause(); }
    usleep(300000);
    read(told[0], &byte, 1);
    touch("by a child that lives");
    kill(child, SIGTERM);
    wait(0);
    return 0;
}
