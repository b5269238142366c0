/* Callbacks that do the least, to measure against; see baseline.c. */
#ifndef UPROBE_BASELINE_H
#define UPROBE_BASELINE_H

#include <stdbool.h>

#include "unicorn_api.h"

enum { BASELINE_RECORDS = 4096 };
enum baseline_kind { BASELINE_COUNT, BASELINE_STORE, BASELINE_BREAK, BASELINE_FILL };

struct baseline {
	struct uc_api uc;
	uint64_t hits, slot;
	uint64_t *stored;
};

bool baseline_init(struct baseline *self, const struct uc_api *uc);
void *baseline_callback(enum baseline_kind kind);

#endif
