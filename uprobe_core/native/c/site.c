/* Sites: what a task's arrival at a probed address sets off. */
#include "site.h"

#include "returns.h"
#include "texts.h"

/* The strings that were fetched last are kept, whose cells begin at word number at; false: out of memory. */
static bool keep_texts(struct up_engine *engine, const struct up_hit *hit, unsigned at, struct up_kept **kept)
{
	uint64_t before = (*kept)->text;

	if (!up_kept_add_text(engine, kept, hit->area, hit->area_size))
		return false;
	for (unsigned i = 0; i < hit->program->count; i++) {
		const struct up_arg *arg = &hit->program->args[i];
		uint64_t *cells = (*kept)->words + at + arg->cell;
		for (unsigned j = 0; arg->kind == 't' && j < (arg->count ? arg->count : 1); j++)
			cells[j] += cells[j] == UP_NO_TEXT ? 0 : before << 32;
	}
	return true;
}

static bool capture_one(struct up_engine *engine, const struct up_program *program, struct up_hit *hit, unsigned at,
			struct up_kept **kept)
{
	hit->program = program;
	hit->cells = (*kept)->words + at;
	hit->done[0] = hit->done[1] = 0;
	hit->texts_done = false;
	up_fetch_all(hit);
	return !program->texts || keep_texts(engine, hit, at, kept);
}

/* Runs the captures of every probe that follows returns; false: out of memory. */
static bool capture(struct up_site *site, struct up_hit *hit, struct up_kept **kept)
{
	uint64_t *before = hit->cells;
	unsigned at = 0;
	bool kept_all = true;

	for (unsigned i = 0; kept_all && i < site->count; i++) {
		struct up_probe *probe = site->probes[i];
		if (probe->capture.cells && probe->capture.simple)
			up_fetch_plain(hit->source, &probe->capture, (*kept)->words + at);
		else if (probe->capture.cells)
			kept_all = capture_one(site->engine, &probe->capture, hit, at, kept);
		at += probe->capture.cells;
	}
	hit->cells = before;
	return kept_all;
}

/* What the event votes if its sink has voted: see Event.entered of tracing/event.py. */
static unsigned event_vote(const struct up_probe *probe, unsigned vote)
{
	if (probe->votes & UP_VOTES_ALL)
		return vote;
	unsigned result = probe->votes & UP_VOTES_ALONE ? vote & UP_VOTE_REMOVE : UP_KEEP;
	return vote && probe->votes & UP_VOTES_PAIR && !probe->return_count ? result | UP_VOTE_IGNORE : result;
}

/* Calls the functions outside; what they leave is kept. */
static void run_chain(struct up_site *site, unsigned index, struct up_hit *hit, struct up_kept *kept)
{
	struct up_engine *engine = site->engine;
	const struct up_probe *probe = site->probes[index];
	void *cookie = NULL;

	engine->called = true;
	engine->outside.enter(engine->outside.context, probe->chain - 1, hit, &cookie);
	bool ignored = engine->vote && !(probe->votes & UP_VOTES_ALL);
	if (cookie && (ignored || !kept)) {
		engine->outside.drop(engine->outside.context, cookie);
		cookie = NULL;
	}
	if (kept)
		up_kept_set_cookie(site, kept, index, ignored ? UP_IGNORED : cookie);
}

/* Runs what the probe does at an entry; answers with its vote. */
static unsigned run_entry(struct up_site *site, unsigned index, struct up_hit *hit, struct up_kept *kept)
{
	struct up_probe *probe = site->probes[index];
	struct up_engine *engine = site->engine;

	if (!probe->enabled)
		return UP_VOTE_IGNORE;
	probe->hits++;
	hit->program = &probe->program;
	hit->done[0] = hit->done[1] = 0;
	hit->texts_done = false;
	if (!probe->is_return && probe->has_filter && !up_filter_accepts(&probe->filter, hit))
		return UP_VOTE_IGNORE;
	engine->vote = UP_KEEP;
	for (unsigned i = 0; i < probe->entry_count; i++)
		up_action_run(probe->entry_actions[i], hit);
	if (probe->chain)
		run_chain(site, index, hit, kept);
	unsigned vote = event_vote(probe, engine->vote);
	probe->entries += probe->wants_returns && !vote;
	return vote;
}

/* What is kept of a call until it returns; NULL: out of memory. */
static struct up_kept *keep(struct up_site *site, struct up_hit *hit)
{
	struct up_kept *kept = up_kept_take(site->engine, site->kept);

	if (!kept || capture(site, hit, &kept))
		return kept;
	up_kept_give(site->engine, site, kept);
	return NULL;
}

/* There was no memory for what has to be kept of a call: it cannot be followed. */
static void miss_unkept(struct up_site *site, uint64_t followed)
{
	struct up_call call = {.site = site, .followed = followed};

	up_miss(&call, UP_MISSED_NO_MEMORY);
}

static bool run_general(struct up_site *site, struct up_hit *hit, uint64_t *ret)
{
	struct up_engine *engine = site->engine;
	const struct up_source *source = hit->source;
	struct up_kept *kept = NULL;
	uint64_t followed = 0;
	unsigned removing = UP_VOTE_REMOVE;

	if (site->kept)
		kept = keep(site, hit);
	for (unsigned i = 0; i < site->count; i++) {
		unsigned vote = run_entry(site, i, hit, kept);
		if (!vote && site->probes[i]->wants_returns)
			followed |= UINT64_C(1) << i;
		removing &= vote;
	}
	bool followable = followed && (kept || !site->kept);
	bool watching = followable && up_enter(site, source, followed, kept, ret);
	if (followed && !followable)
		miss_unkept(site, followed);
	if (!followed)
		up_kept_give(engine, site, kept);
	if (removing && engine->outside.vote_out)
		engine->outside.vote_out(engine->outside.context, site->address);
	return watching;
}

bool up_site_hit(struct up_site *site, const struct up_source *source, uint64_t *ret)
{
	struct up_engine *engine = site->engine;

	if (site->kind == UP_SITE_COUNT) {
		up_count_hit(site);
		return false;
	}
	up_tick(engine);
	if (site->kind == UP_SITE_CALLS || site->kind == UP_SITE_LATENCY) {
		site->probes[0]->hits++;
		site->probes[0]->entries++;
		return up_enter(site, source, 1, NULL, ret);
	}
	struct up_hit hit;
	up_hit_init(&hit, source, engine);
	hit.address = hit.pc = site->address;
	hit.file_offset = site->file_offset;
	return run_general(site, &hit, ret);
}

void up_sample_hit(struct up_site *site, const struct up_source *source, uint64_t block, uint64_t address)
{
	struct up_hit hit;
	uint64_t unused;

	up_tick(site->engine);
	up_hit_init(&hit, source, site->engine);
	hit.address = hit.pc = address;
	hit.block = block;
	hit.file_offset = 0;
	run_general(site, &hit, &unused);
}

static bool is_plain_count(const struct up_probe *probe)
{
	if (!probe->enabled || probe->wants_returns || probe->has_filter || probe->entry_count != 1 || probe->chain)
		return false;
	const struct up_action *action = probe->entry_actions[0];
	return action->kind == UP_COUNT && !action->keys && !action->has_filter;
}

static bool is_plain_call(const struct up_probe *probe)
{
	bool filtered = probe->has_filter && !probe->is_return;

	return !probe->chain && probe->enabled && probe->wants_returns && !filtered && !probe->entry_count && !probe->capture.cells;
}

static bool is_plain_latency(const struct up_probe *probe)
{
	if (probe->has_filter || probe->return_count != 1)
		return false;
	const struct up_action *action = probe->return_actions[0];
	return (action->kind == UP_HIST || action->kind == UP_SUMMARY || action->kind == UP_GRAPH) && !action->keys && !action->has_filter &&
	       !action->top.room && action->value.source == UP_FIELD_LATENCY && action->value.kind == 'u';
}

/* Call it after anything about the site's probes has changed. */
void up_site_prepare(struct up_site *site)
{
	bool chained = false;

	site->wants_returns = site->calls = false;
	site->captured = 0;
	for (unsigned i = 0; i < site->count; i++) {
		struct up_probe *probe = site->probes[i];
		site->wants_returns |= probe->wants_returns;
		site->captured += probe->capture.cells;
		chained |= probe->chain != 0;
		for (unsigned j = 0; j < probe->entry_count; j++)
			site->calls |= probe->entry_actions[j]->kind == UP_CALL;
	}
	site->calls |= chained;
	site->kept = site->wants_returns ? site->captured + (chained ? site->count : 0) : 0;
	site->kind = UP_SITE_GENERAL;
	if (site->count == 1 && is_plain_call(site->probes[0])) {
		site->kind = is_plain_latency(site->probes[0]) ? UP_SITE_LATENCY : UP_SITE_CALLS;
		site->only = site->probes[0]->return_count ? site->probes[0]->return_actions[0] : NULL;
	}
	if (site->count == 1 && is_plain_count(site->probes[0])) {
		site->kind = UP_SITE_COUNT;
		site->only = site->probes[0]->entry_actions[0];
	}
}
