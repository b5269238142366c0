/* Running fetch programs: the strings of one hit. */
#ifndef UPROBE_TEXTS_H
#define UPROBE_TEXTS_H

#include "hit.h"

/* The value of a text cell: offset in the area << 32 | length. */
#define UP_NO_TEXT UINT64_MAX

/* Runs all string arguments, once per hit. */
void up_fetch_texts(struct up_hit *hit);

#endif
