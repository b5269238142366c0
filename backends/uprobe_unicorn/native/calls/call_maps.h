/* Forms of calls that map memory, and what is mapped here until Python takes it over. */
#ifndef UPROBE_CALL_MAPS_H
#define UPROBE_CALL_MAPS_H

#include "own_calls.h"

struct uc_tlb_entry;

call_form call_mmap, call_munmap;

/* Reads a file that is mapped here where the program touches it first; false: address is in none of those. */
bool maps_fill(struct glue *glue, uint64_t address, struct uc_tlb_entry *ret);

#endif
