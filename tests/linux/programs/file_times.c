/* Times of files that the program makes lie between its start and now, in the order in which they were made. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct timespec made(const char *name) {
    struct stat status;
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    write(fd, "x", 1);
    close(fd);
    stat(name, &status);
    return status.st_mtim;
}

static int before(struct timespec a, struct timespec b) {
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec);
}

int main(void) {
    struct timespec start, now, a, b, wanted[2] = {{1000, 5}, {4102444800, 7}}, pause = {0, 20000000};
    struct stat status;
    clock_gettime(CLOCK_REALTIME, &start);
    a = made("a");
    nanosleep(&pause, 0);
    b = made("b");
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%d %d %d\n", before(start, a), before(a, b), before(b, now));
    stat("a", &status);
    printf("%d\n", status.st_mtim.tv_sec == a.tv_sec && status.st_mtim.tv_nsec == a.tv_nsec);
    utimensat(AT_FDCWD, "a", wanted, 0);
    stat("a", &status);
    printf("%ld.%ld %ld.%ld\n", status.st_atim.tv_sec, status.st_atim.tv_nsec, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    utimensat(AT_FDCWD, "a", 0, 0);
    stat("a", &status);
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%d %d\n", before(b, status.st_mtim), before(status.st_mtim, now));
    stat("/proc/self/exe", &status);
    printf("%d\n", before(status.st_mtim, b) || status.st_mtim.tv_sec > now.tv_sec);
    return 0;
}
