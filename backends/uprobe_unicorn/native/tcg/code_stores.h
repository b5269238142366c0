/* Stores to pages with translated code, noticed at the price of one look. */
#ifndef UPROBE_CODE_STORES_H
#define UPROBE_CODE_STORES_H

#include "builds.h"

/* From now on a new block of the loaded library costs a look at its own page's entries, not at all of them. */
void shorten_code_stores(void *library, const struct layout *layout);

#endif
