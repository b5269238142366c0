// A line that goes on behind one of another file: its row that is no statement is passed over there.
	.file 1 "parts.c"
	.file 2 "inline.h"
	.text
	.globl _start
	.type _start, %function
_start:
	.loc 1 5
	nop
	.loc 1 6
	.loc 2 132
	.loc 1 6 0 is_stmt 0
	nop
	.loc 1 6 0 is_stmt 1 discriminator 2
	nop
	.loc 1 7
	nop
	mov x8, #93
	svc #0
	.size _start, . - _start
