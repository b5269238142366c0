/* Memory that is used up when a test wants it to be (UP_SCARCE_MEMORY of allocate.h). */
#ifndef SCARCE_H
#define SCARCE_H

#include <stdbool.h>

/* From now on allocation number, counted from 0, and all after it fail; -1: none does. */
void scarce_after(int number);
/* Allocations since then. */
unsigned scarce_asked(void);

#endif
