/* A program with one USDT marker, app:tick, of two arguments; see test_markers.py. */
#include <stdio.h>

__attribute__((noinline)) static void tick(long number, int small)
{
    __asm__ volatile("990: nop\n"
                     ".pushsection .note.stapsdt,\"?\",\"note\"\n"
                     ".balign 4\n"
                     ".4byte 992f-991f, 994f-993f, 3\n"
                     "991: .asciz \"stapsdt\"\n"
                     "992: .balign 4\n"
                     "993: .8byte 990b\n"
                     ".8byte 0\n"
                     ".8byte 0\n"
                     ".asciz \"app\"\n"
                     ".asciz \"tick\"\n"
                     ".asciz \"8@%0 -4@%w1\"\n"
                     "994: .balign 4\n"
                     ".popsection\n" ::"r"(number),
                     "r"(small));
}

int main(void)
{
    for (int i = 0; i < 3; i++)
        tick(1000 + i, -i);
    puts("done");
    return 0;
}
