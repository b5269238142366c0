/* Returns that are watched for, without changing the link register. */
#ifndef UPROBE_RETURNS_H
#define UPROBE_RETURNS_H

#include "calls.h"

/* The function at site was entered; answers whether its return has to be watched at *ret. */
bool up_enter(struct up_site *site, const struct up_source *source, uint64_t followed, struct up_kept *kept,
	      uint64_t *ret);
/* The task reached an address where returns are watched; answers whether one was there. */
bool up_return_hit(struct up_engine *engine, const struct up_source *source, uint64_t address);
/* An exception ended the running task's calls that were entered with sp from lowest to highest (inclusive). */
void up_unwound(struct up_engine *engine, uint64_t lowest, uint64_t highest);

#endif
