/* Answers to the emulator about which page is where. */
#ifndef UPROBE_FILLS_H
#define UPROBE_FILLS_H

#include <stdbool.h>

#include "unicorn_api.h"

enum { FIRST_TLB = 600, LARGEST_TLB = 1 << 16 };

struct glue;

/* The callback of UC_HOOK_TLB_FILL; its data is the glue. */
bool glue_on_fill(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data);
/* Forgets which addresses in [start, end) are where. */
void glue_flush_range(struct glue *glue, uint64_t start, uint64_t end);
/* Forgets translated code of virtual [start, end). */
void glue_forget_translations(struct glue *glue, uint64_t start, uint64_t end);

#endif
