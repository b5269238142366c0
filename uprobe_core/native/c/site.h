/* Probed places: what a task's arrival there sets off. */
#ifndef UPROBE_SITE_H
#define UPROBE_SITE_H

#include "action.h"
#include "engine.h"

/* What a handler may vote (types.HandlerVote). */
enum { UP_KEEP = 0, UP_VOTE_REMOVE = 1, UP_VOTE_IGNORE = 2 };

/*
 * Functions outside speak for the event (ALL), or are those of one sink of it: its only one (ALONE), and
 * one that sees returns as well (PAIR).
 */
enum { UP_VOTES_ALL = 1, UP_VOTES_ALONE = 2, UP_VOTES_PAIR = 4 };

struct up_site;

/* One location of one event (the EventProbe of tracing/event.py). */
struct up_probe {
	bool enabled, is_return, has_filter, wants_returns;
	struct up_program program;
	struct up_program capture;	/* what is kept of an entry for its return */
	struct up_program returned;	/* program at the return of an entry event: its values are those kept */
	struct up_filter filter;
	unsigned entry_count, return_count;
	struct up_action **entry_actions, **return_actions;
	uint64_t hits, entries, returns;
	uint64_t missed[UP_MISSED_KINDS];
	uint32_t chain;		/* number + 1 of its functions outside; 0: none */
	uint8_t votes;		/* UP_VOTES_...: what they say of the event */
	struct up_site **sites;	/* that it is at */
	unsigned site_count, site_room;
};

enum up_site_kind {
	UP_SITE_GENERAL,
	UP_SITE_COUNT,	/* one unconditional counter is all */
	UP_SITE_CALLS,	/* one probe, which wants nothing but the return */
	UP_SITE_LATENCY, /* the same, and a histogram of latencies is all it does with it */
};

/* A probed address, or one that returns are watched at. */
struct up_site {
	uint64_t address;
	uint64_t file_offset;
	uint8_t kind;
	bool wants_returns, calls;	/* calls: a handler outside may change the task */
	uint32_t place;			/* the same for its function in any process */
	unsigned count;
	unsigned captured;		/* values that all its probes capture */
	unsigned kept;			/* words to keep of a call until it returns: those, and cookies */
	struct up_probe **probes;
	struct up_engine *engine;
	struct up_action *only;		/* UP_SITE_COUNT, UP_SITE_LATENCY: the one action */
	void *backend;			/* the glue's own */
};

/* Call it after anything about the site's probes has changed. */
void up_site_prepare(struct up_site *site);
/* The task reached site.  Answers whether a return has to be watched at *ret. */
bool up_site_hit(struct up_site *site, const struct up_source *source, uint64_t *ret);
/*
 * A sample: the task is at the start of block, and about to execute the instruction at address, to which no branch
 * leads from there.  The probes of site follow no returns.
 */
void up_sample_hit(struct up_site *site, const struct up_source *source, uint64_t block, uint64_t address);

/* A hit of a UP_SITE_COUNT. */
static inline void up_count_hit(struct up_site *site)
{
	struct up_engine *engine = site->engine;

	engine->hits++;
	site->probes[0]->hits++;
	site->only->total++;
}

#endif
