/*
 * The program of the README: a loop that calls a function, for probes to look at.
 *
 *     uprobe run -e 'p:work ./loop:work a=%x0' -e 'r:ret ./loop:work rv=$retval' -- ./loop 3
 *
 * It is static and makes few system calls, so that any backend can run it.
 * rebuild.sh builds the ELF file beside it.
 */
#include <stdio.h>
#include <stdlib.h>

struct item {
    long number;
    const char *name;
};

static const char *const NAMES[] = {"zero", "one", "two", "three"};

/* Never inlined: its entry and return are what the examples probe. */
__attribute__((noinline)) long work(long number, const struct item *item)
{
    return number * 2 + (item->name[0] == 'z');
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 0) : 3;
    long sum = 0;

    for (long i = 0; i < count; i++) {
        struct item item = {i, NAMES[i % 4]};
        sum += work(i, &item);
    }
    printf("sum %ld\n", sum);
    return count > 100 ? 1 : 0;
}
