#include "case.h"
/* Tail calls: of itself, of each other, and with an ordinary call in between. */
long self(long n, long acc), even(long n), odd(long n);
NI long leaf(long x) { asm volatile(""); return x + 1000; }
asm(".text\n.type self,%function\n.globl self\nself: cbz x0, 1f\n add x1, x1, x0\n sub x0, x0, #1\n" P(L_again) "b self\n1: mov x0, x1\n ret\n"
    ".type even,%function\n.globl even\neven: cbz x0, 1f\n sub x0, x0, #1\n b odd\n1: mov x0, #1\n ret\n"
    ".type odd,%function\n.globl odd\nodd: cbz x0, 1f\n sub x0, x0, #1\n b even\n1: mov x0, #0\n ret\n");
NI long wrap(long n) { long r = leaf(n); asm volatile(""); return even(r - 1000 + n); }
int main(void) { printf("%ld %ld %ld %ld\n", self(4, 0), even(3), even(4), wrap(2)); return 0; }
