/* The emulator's TLBs, whose entries are found by the low bits of an address. */
#ifndef UPROBE_TLBS_H
#define UPROBE_TLBS_H

#include "builds.h"

/* From now on a new block of the loaded library costs a look at its own page's entries, not at all of them. */
void shorten_code_stores(void *library, const struct layout *layout);
/* Before anything runs on the engine with that state: room in the program's TLB. */
void enlarge_tlb(const struct layout *layout, char *env);
/* Before all entries of the engine with that state are forgotten: its TLB is not to become too small. */
void keep_tlb_large(const struct layout *layout, char *env);

#endif
