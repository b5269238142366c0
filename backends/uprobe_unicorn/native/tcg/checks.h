/* No checks behind loads and stores. */
#ifndef UPROBE_CHECKS_H
#define UPROBE_CHECKS_H

#include <stdbool.h>

#include "builds.h"

/* From now on new blocks of the loaded library make them only for engines that have their switch off. */
bool divert_checks(void *library, const struct layout *layout);

#endif
