/* Leaves known blocks allocated: 6 of 100 bytes, 1 of 800, and 1 of 1000 in a forked child if asked. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

char *volatile keeps[8];

__attribute__((noinline)) static void leaky(int n)
{
    for (int i = 0; i < n; i++)
        keeps[i] = malloc(100);
}

__attribute__((noinline)) static void tidy(int n)
{
    for (int i = 0; i < n; i++) {
        char *volatile block = calloc(10, 50);
        free(block);
    }
}

__attribute__((noinline)) static char *grows(void)
{
    char *block = malloc(10);
    for (int i = 1; i <= 8; i++)
        block = realloc(block, 100 * i);
    return block;
}

int main(int argc, char **argv)
{
    leaky(7);
    tidy(5);
    char *grown = grows();
    if (argc > 1) {
        if (fork() == 0) {
            keeps[7] = malloc(1000);
            free(grown);
            _exit(0);
        }
        wait(0);
    }
    free(keeps[0]);
    return grown == 0;
}
