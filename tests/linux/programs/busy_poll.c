/* A thread that makes one system call after the other does not keep another from its data. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];
static volatile int done;

static void *reader(void *unused) {
    char byte;
    done = read(ends[0], &byte, 1) == 1;
    return 0;
}

int main(void) {
    struct pollfd never = {-1, POLLIN};
    pthread_t thread;
    pipe(ends);
    pthread_create(&thread, 0, reader, 0);
    usleep(10000);
    pid_t child = fork();
    if (!child) { usleep(50000); write(ends[1], "", 1); pause(); }
    while (!done) poll(&never, 1, 0);
    pthread_join(thread, 0);
    kill(child, SIGKILL);
    wait(0);
    printf("read\n");
    return 0;
}
