/* Functions of ours that the loaded library calls in place of its own. */
#ifndef UPROBE_DIVERTED_H
#define UPROBE_DIVERTED_H

#include <stdbool.h>

/* A function of the library whose calls from its other parts go through its table of calls. */
struct diverted {
	void *original;		/* NULL before the first divert_call */
	unsigned long library;	/* where the library lies that was changed */
};

/* From now on the library calls function in place of symbol; false: it has no such calls, or they cannot be changed. */
bool divert_call(struct diverted *diverted, void *library, const char *symbol, const void *function);

#endif
