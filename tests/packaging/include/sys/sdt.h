/* The two macros of SystemTap's header that the manual uses, for machines without it; arm64 only. */
#ifndef UPROBE_TESTS_SDT_H
#define UPROBE_TESTS_SDT_H

#define UPROBE_MARKER(provider, name, operands, ...)                                                  \
    __asm__ volatile("990: nop\n"                                                                    \
                     ".pushsection .note.stapsdt,\"\",\"note\"\n"                                    \
                     ".balign 4\n"                                                                   \
                     ".4byte 992f-991f, 994f-993f, 3\n"                                              \
                     "991: .asciz \"stapsdt\"\n"                                                     \
                     "992: .balign 4\n"                                                              \
                     "993: .8byte 990b, 0, 0\n"                                                      \
                     ".asciz \"" #provider "\"\n.asciz \"" #name "\"\n.asciz \"" operands "\"\n"     \
                     "994: .balign 4\n"                                                              \
                     ".popsection\n" ::__VA_ARGS__)

#define DTRACE_PROBE1(provider, name, a) UPROBE_MARKER(provider, name, "-8@%0", "r"((long)(a)))
#define DTRACE_PROBE2(provider, name, a, b) \
    UPROBE_MARKER(provider, name, "-8@%0 -8@%1", "r"((long)(a)), "r"((long)(b)))

#endif
