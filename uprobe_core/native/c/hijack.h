/* Returns through a trampoline. */
#ifndef UPROBE_HIJACK_H
#define UPROBE_HIJACK_H

#include "calls.h"

/* call was entered, its return address is what the link register holds: swap that, and remember it. */
void up_hijack(struct up_site *site, const struct up_source *source, struct up_call *call);
/* The task is at the trampoline; false: no call belongs to it, and the task is lost. */
bool up_trampoline_hit(struct up_engine *engine, const struct up_source *source);

#endif
