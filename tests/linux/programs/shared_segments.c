/* System V shared memory; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))
#define CALL(what) do { errno = 0; long r_ = (long)(what); SAY("%s = %ld %s", #what, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static void show(int id) {
    struct shmid_ds s;
    if (shmctl(id, IPC_STAT, &s)) { SAY("gone: %s", strerror(errno)); return; }
    SAY("%ld bytes, mode %o, %ld attached, by me %d, last me %d", (long)s.shm_segsz, s.shm_perm.mode,
        (long)s.shm_nattch, s.shm_cpid == getpid(), s.shm_lpid == getpid());
}

static long lines(const char *path) {
    FILE *file = fopen(path, "r");
    char line[512];
    long count = 0;
    while (fgets(line, sizeof line, file)) {
        if (!count) printf("%s", line);
        count++;
    }
    fclose(file);
    return count;
}

int main(int argc, char **argv) {
    if (argc > 1) { show(atoi(argv[1])); return 0; }
    int first = shmget(77, 5000, IPC_CREAT | 0640), private = shmget(IPC_PRIVATE, 1 << 20, 0600);
    CALL(first >= 0 && private > first);
    CALL(shmget(77, 0, 0) == first);
    CALL(shmget(77, 6000, 0));
    CALL(shmget(77, 100, IPC_CREAT | IPC_EXCL));
    CALL(shmget(78, 100, 0));
    CALL(shmget(78, 0, IPC_CREAT));
    show(first);
    char *a = shmat(first, 0, 0), *b = shmat(first, 0, SHM_RDONLY), *c = shmat(private, 0, 0);
    strcpy(a, "seen twice");
    SAY("%s %d", b, a[8000]);
    show(first);
    CALL(shmat(first, a + 1, 0));
    CALL(shmat(first, a, 0));
    CALL(shmat(first, a + 77, SHM_RND | SHM_REMAP) == a);
    CALL(shmat(999999, 0, 0));
    CALL(mprotect(b, 4096, PROT_READ | PROT_WRITE));
    show(first);
    char id[16];
    sprintf(id, "%d", first);
    if (!fork()) {
        show(first);
        strcpy(c + 70000, "from the child");
        CALL(shmdt(a));
        show(first);
        if (!fork()) { execl("/proc/self/exe", "x", id, (char *)0); _exit(9); }
        wait(0);
        _exit(0);
    }
    wait(0);
    SAY("%s", c + 70000);
    show(first);
    CALL(shmctl(first, IPC_RMID, 0));
    CALL(shmget(77, 0, 0));
    show(first);
    strcpy(a + 8000, "still there");
    SAY("%s", b + 8000);
    CALL(shmdt(a));
    CALL(shmdt(a));
    CALL(munmap(b, 8192));
    show(first);
    SAY("%ld", lines("/proc/sysvipc/shm"));
    CALL(shmctl(private, SHM_LOCK, 0));
    show(private);
    CALL(shmctl(private, IPC_RMID, 0));
    CALL(shmdt(c));
    show(private);
    SAY("%ld %ld", lines("/proc/sysvipc/msg"), lines("/proc/sysvipc/sem"));
    return 0;
}
