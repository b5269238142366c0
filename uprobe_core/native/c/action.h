/* What is done with a hit: count, sum, histogram, record, a call. */
#ifndef UPROBE_ACTION_H
#define UPROBE_ACTION_H

#include "filter.h"
#include "map.h"
#include "top.h"

enum up_action_kind { UP_COUNT, UP_SUM, UP_HIST, UP_RECORD, UP_CALL, UP_SUMMARY, UP_GRAPH };
enum up_hist_kind { UP_LOG2, UP_LINEAR, UP_SUB };

struct up_call;
struct up_engine;

/* One action on one event. */
struct up_action {
	uint8_t kind, hist;
	uint8_t keys;
	bool has_filter;
	struct up_field key[UP_MAX_KEY];
	struct up_field value;
	uint64_t parameter;	/* step, bits */
	struct up_filter filter;
	struct up_map map;
	uint64_t total;		/* of an unkeyed count */
	uint64_t lost;		/* hits for whose key there was no room */
	uint32_t sink;
	struct up_top top;	/* of a histogram of latencies: the calls that it keeps, in sink */
	uint16_t depth;		/* frames of their stacks */
	struct up_engine *engine;
};

/* Whether the action makes sense, and may look at the values of program. */
bool up_action_fits(const struct up_action *action, const struct up_program *program);
/* Whether the keys of its map have stats. */
static inline bool up_action_has_stats(const struct up_action *action)
{
	return action->kind == UP_SUM || action->kind == UP_SUMMARY || action->kind == UP_GRAPH;
}

/* Of a UP_SUMMARY: call returned after latency ns. */
void up_summarize(struct up_action *action, struct up_call *call, uint64_t latency);
/* Of a UP_GRAPH: one more call of its path, and how long it took. */
void up_add_to_path(struct up_action *action, const struct up_call *call, uint64_t latency);
void up_action_run(struct up_action *action, struct up_hit *hit);
uint64_t up_bucket(enum up_hist_kind kind, uint64_t parameter, uint64_t value);

#endif
