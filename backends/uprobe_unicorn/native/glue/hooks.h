/* What libunicorn calls: at probed places, at blocks, at interrupts. */
#ifndef UPROBE_HOOKS_H
#define UPROBE_HOOKS_H

#include <stdbool.h>

#include "unicorn_api.h"

struct glue;
struct place;

int glue_add_inline(struct glue *glue, struct place *place, bool after_python);
void glue_remove_inline(struct glue *glue, struct place *place);
/* Python has (or no longer has) a code hook at address. */
void glue_note_python(struct glue *glue, uint64_t address, bool present);
/* The callback of code hooks whose probes are Python's; its data is the glue. */
void *glue_python_hook(void);
/* The callbacks of UC_HOOK_INTR and of counted blocks; their data is the glue. */
void glue_on_interrupt(uc_engine *uc, uint32_t number, void *data);
void glue_on_block(uc_engine *uc, uint64_t address, uint32_t size, void *data);
/* The callback of the entries of slots; its data is the area. */
void glue_on_entry(uc_engine *uc, uint64_t address, uint32_t size, void *data);
/* Whether the slot of place executes its instruction; else the core does. */
bool tail_does_it(const struct place *place);

#endif
