/*
 * Guest memory that shows a file which somebody has made shorter.
 *
 * An access beyond the end of a mapped file is SIGBUS, and the program's page table knows of it; but another
 * process may cut the file between the look and the access. Such a page becomes an empty one of ours, which
 * nobody can be hurt by: the program learns of the file's new end at its next look.
 */
#ifndef UPROBE_GUARD_H
#define UPROBE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_GAVE_UP = 1000 };	/* no uc_err */

struct glue;

/* From now on for [base, base + size); false where there is no room for one more. */
bool guard_add(char *base, uint64_t size);
/* No longer for the range at base; idempotent. */
void guard_remove(const char *base);
/*
 * Run the emulator from pc: uc_emu_start's answer, or GUARD_GAVE_UP where libunicorn called abort(), which it does
 * over encodings that its translator does not expect. It runs nothing any more then.
 */
int guard_start(struct glue *glue, uint64_t pc);
/* How many pages have become empty ones in this process. */
unsigned guard_pages(void);

#endif
