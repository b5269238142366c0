/* What is kept of a call until it returns. */
#ifndef UPROBE_KEPT_H
#define UPROBE_KEPT_H

#include "numbers.h"

struct up_engine;
struct up_site;

/* In place of a cookie: the sink does not see this call's return. */
#define UP_IGNORED ((void *)1)

/*
 * What is kept of a call until it returns: the values that its probes captured, then a cookie for each
 * probe.  Blocks are used again and again, so that a hit allocates nothing.
 */
struct up_kept {
	struct up_kept *next;	/* while it is spare */
	unsigned size;		/* words that it has room for */
	unsigned used;		/* words of captured values and cookies */
	unsigned text;		/* bytes of captured strings, which lie behind those */
	uint64_t words[];
};

static inline char *up_kept_text(struct up_kept *kept)
{
	return (char *)(kept->words + kept->used);
}

/* Appends size bytes of text; the block may move.  False: out of memory, and it is as it was. */
bool up_kept_add_text(struct up_engine *engine, struct up_kept **kept, const char *text, unsigned size);

/* A cookie is that of probe number index of the call's site. */
struct up_kept *up_kept_take(struct up_engine *engine, unsigned words);
struct up_kept *up_kept_copy(struct up_engine *engine, const struct up_site *site, const struct up_kept *kept);
void up_kept_give(struct up_engine *engine, const struct up_site *site, struct up_kept *kept);
void *up_kept_cookie(const struct up_site *site, const struct up_kept *kept, unsigned index);
void up_kept_set_cookie(const struct up_site *site, struct up_kept *kept, unsigned index, void *cookie);

#endif
