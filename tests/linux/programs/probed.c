/* Places to probe, one instruction wide each; prints what it computed. */
#include <stdio.h>
#include <stdint.h>

__attribute__((noinline, naked)) uint64_t place(uint64_t value)
{
    __asm__("add x0, x0, #1\n"
            ".globl second\nsecond: eor x0, x0, #2\n"
            ".globl third\nthird: ldr x1, [sp]\n"
            "ret");
}

__attribute__((noinline, naked)) uint64_t faulting(uint64_t *pointer)
{
    __asm__("ldr x0, [x0]\nret");
}

__attribute__((noinline, naked)) void own_brk(void)
{
    __asm__("brk #5\nret");
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 5; i++)
        sum = sum * 3 + place(i);
    printf("%llu\n", (unsigned long long)sum);
    fflush(stdout);
    if (argc > 1 && argv[1][0] == 'b')
        own_brk();
    if (argc > 1 && argv[1][0] == 'f')
        faulting((uint64_t *)0x123456);
    return 0;
}
