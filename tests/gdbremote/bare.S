// A bare-metal program for machine "virt" of qemu-system: five calls of work, the sum checked, a line on the
// serial port, and its end by semihosting (SYS_EXIT, 0x18).
	.text
	.global	_start, work
	.type	_start, %function
_start:	mov	x19, #0
	mov	x20, #0
1:	mov	x0, x19
	bl	work
	add	x20, x20, x0
	add	x19, x19, #1
	cmp	x19, #5
	b.ne	1b
	adr	x1, text
	mov	x2, #0x09000000
2:	ldrb	w3, [x1], #1
	cbz	w3, 3f
	str	w3, [x2]
	b	2b
3:	adr	x1, block
	mov	w0, #0x18
	hlt	#0xf000
	b	.
	.size	_start, . - _start

	.type	work, %function
work:	add	x0, x0, x0, lsl #1
	add	x0, x0, #1
	ret
	.size	work, . - work

	.balign	8
block:	.quad	0x20026, 0	// ADP_Stopped_ApplicationExit, status 0
text:	.asciz	"done\n"
