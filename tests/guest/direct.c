/* A function that goes back by a plain branch: LR is its return address all the same. */
#include <stdio.h>

__asm__(".text\n"
	".global direct\n"
	".type direct, %function\n"
	"direct:\n"
	"	add x0, x0, #1\n"
	"	b back\n"
	".size direct, .-direct\n"
	".global call_direct\n"
	".type call_direct, %function\n"
	"call_direct:\n"
	"	stp x29, x30, [sp, #-32]!\n"
	"	str x19, [sp, #16]\n"
	"	mov x19, x0\n"
	"	mov x0, #0\n"
	"1:	bl direct\n"
	"back:	subs x19, x19, #1\n"
	"	b.ne 1b\n"
	"	ldr x19, [sp, #16]\n"
	"	ldp x29, x30, [sp], #32\n"
	"	ret\n"
	".size call_direct, .-call_direct\n");

long call_direct(long n);

int main(void)
{
	printf("%ld\n", call_direct(1000));
	return 0;
}
