/* Works for a while and tells of it: whole lines, a line in parts, and a child's. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) int work(int a)
{
    __asm__ volatile("");
    return a * 3;
}

/* Few calls and much between them, so that an engine that takes a microsecond a hit is in time as well. */
static void spin(int times)
{
    for (int i = 0; i < times * 10000; i++) {
        work(i);
        for (int k = 0; k < 1000; k++)
            __asm__ volatile("");
    }
}

int main(void)
{
    setvbuf(stdout, 0, _IONBF, 0);
    puts("one");
    spin(12);
    fputs("half ", stdout);
    spin(6);
    puts("and half");
    spin(6);
    if (fork() == 0) {
        puts("child");
        return 0;
    }
    wait(0);
    spin(6);
    fputs("end\n", stderr);
    return 0;
}
