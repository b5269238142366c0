/* What smaps says of a page before and after a fork; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long value(const char *name, char *page) {
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    long found = -1, inside = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2) inside = from <= (unsigned long)page && (unsigned long)page < to;
        else if (inside && !strncmp(line, name, strlen(name))) sscanf(line + strlen(name), "%ld", &found);
    }
    fclose(file);
    return found;
}

static void show(const char *who, char *page) {
    printf("%s: private %ld shared %ld\n", who, value("Private_Dirty:", page), value("Shared_Dirty:", page));
    fflush(stdout);
}

int main(void) {
    char *area = mmap(0, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *page = area + 4096;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    *page = 1;
    show("alone", page);
    if (!fork()) { show("child", page); _exit(0); }
    wait(0);
    return 0;
}
