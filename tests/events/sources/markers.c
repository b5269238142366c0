/* USDT markers written by hand, as sys/sdt.h would write them, and a line to probe. */
unsigned short guard __attribute__((section(".probes"))) = 0;
long table[4] = { 10, 20, 30, 40 };

#define MARKER(name, semaphore, operands, ...)                                                   \
	__asm__ volatile("990: nop\n"                                                            \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"                            \
			 ".balign 4\n"                                                           \
			 ".4byte 992f-991f, 994f-993f, 3\n"                                      \
			 "991: .asciz \"stapsdt\"\n"                                             \
			 "992: .balign 4\n"                                                      \
			 "993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                     \
			 ".asciz \"demo\"\n"                                                     \
			 ".asciz \"" name "\"\n"                                                 \
			 ".asciz \"" operands "\"\n"                                             \
			 "994: .balign 4\n"                                                      \
			 ".popsection\n"                                                         \
			 ".ifndef _.stapsdt.base\n"                                              \
			 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
			 ".weak _.stapsdt.base\n"                                                \
			 ".hidden _.stapsdt.base\n"                                              \
			 "_.stapsdt.base: .space 1\n"                                            \
			 ".size _.stapsdt.base, 1\n"                                             \
			 ".popsection\n"                                                         \
			 ".endif\n" : : __VA_ARGS__ : "memory")

__attribute__((noinline)) long work(long n)
{
	register long a __asm__("x3") = n * 2;
	register long *p __asm__("x4") = table;
	register long i __asm__("x5") = 8;
	register int half __asm__("w6") = -5;
	MARKER("plain", "guard", "8@x3 -4@w6 8@[x4, 16] 8@[x4,x5] 4@7 8@[x4, w5, uxtw 1]", "r"(a), "r"(p), "r"(i),
	       "r"(half));
	MARKER("odd", "0", "8@[x4, 8] 16@x3 8@[x4], 8", "r"(p));
	return a + n;
}

int main(void)
{
	long s = 0;
	for (long n = 0; n < 3; n++)
		s += work(n);	/* the line */
	return guard ? (int)s : (int)s + 100;
}
