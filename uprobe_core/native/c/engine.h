/*
 * The native engine: what happens at a hit, without Python.
 *
 * Pure C11; module.c alone knows Python.  A backend's glue reaches it through
 * the table of functions in api.h.  All of it runs in the thread that runs the
 * guest; between two hits the same thread may read and reset anything.
 *
 * Addresses are guest-virtual, sizes in bytes, ranges half open.  Functions
 * that can fail return false and leave the object as it was.  Outputs come
 * last and are called ret.
 */
#ifndef UPROBE_ENGINE_H
#define UPROBE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UP_ABI = 2,		/* number of this layout; the Python side checks it */
	UP_SP = 31,
	UP_PC = 32,
	UP_REGS = 34,		/* x0-x30, SP, PC, PSTATE */
	UP_MAX_OPS = 16,	/* operations of an argument, END included (FETCH_INSN_MAX) */
	UP_MAX_ARGS = 128,	/* MAX_TRACE_ARGS */
	UP_MAX_ARRAY = 64,	/* elements of an array (MAX_ARRAY_LEN) */
	UP_MAX_STRING = 4096,	/* MAX_STRING_SIZE, NUL included */
	UP_MAX_RECORD = 4096,	/* fixed part and strings of a record, as a kernel has them */
	UP_COMM = 16,
	UP_MAX_KEY = 8,		/* fields of a key */
	UP_MAX_PROBES = 64,	/* at one site */
};

/* The operations of uprobe_core.event_model.OpCode. */
enum up_op_code {
	UP_END = 0,
	UP_REG = 1,
	UP_STACK = 2,
	UP_STACKP = 3,
	UP_RETVAL = 4,
	UP_IMM = 5,
	UP_COMM_TOKEN = 6,
	UP_FOFFS = 7,
	UP_IMMSTR = 8,
	UP_VREG = 9,
	UP_ENTRY = 10,
	UP_LATENCY = 11,
	UP_DEREF = 16,
	UP_UDEREF = 17,
	UP_ST_RAW = 24,
	UP_ST_MEM = 25,
	UP_ST_UMEM = 26,
	UP_ST_STRING = 27,
	UP_ST_USTRING = 28,
	UP_MOD_BF = 32,
	UP_LP_ARRAY = 33,
};

/* One operation as FetchOp.pack writes it (OP_FORMAT), little endian. */
struct up_op {
	uint8_t code, size, lshift, rshift;
	uint32_t reserved;
	int64_t param;
};
_Static_assert(sizeof(struct up_op) == 16, "OP_FORMAT has 16 bytes");

/* How a task is read.  Filled in by whoever owns the registers and the memory. */
struct up_source {
	void *context;
	/* Where x0-x30, SP and PC lie as consecutive uint64_t, or NULL: ask reg. */
	const uint64_t *registers;
	uint64_t (*reg)(void *context, unsigned index);
	/* Low 64 bits of vector register index. */
	uint64_t (*vector)(void *context, unsigned index);
	/* Copies at most size bytes from address; returns how many were readable from its start. */
	size_t (*read)(void *context, uint64_t address, void *ret, size_t size);
	/* Writes x0-x30, SP or PC. */
	void (*set_reg)(void *context, unsigned index, uint64_t value);
};

/* --- fetch programs (fetch.c, strings.c) ------------------------------------ */

/* One argument, decoded.  See fetch_run.py, which is the reference. */
struct up_arg {
	uint8_t kind;		/* 'u' 's' 'x' 'c' 'f', or 't' for text */
	uint8_t size;		/* bytes of the type */
	uint8_t count;		/* elements, 0: no array */
	uint8_t derefs;
	bool from_memory;	/* the store reads memory */
	bool has_field;		/* a bit field */
	uint8_t store_size;
	uint8_t lshift, rshift;
	uint16_t cell;		/* index of its first value */
	bool simple;		/* a register, masked and sign-extended, is all */
	uint8_t reg;		/* of a simple one */
	uint64_t mask, sign;	/* ((x & mask) ^ sign) - sign is the value of a simple one */
	struct up_op source;
	int64_t offsets[UP_MAX_OPS];	/* of the dereferences, in order */
	int64_t store_offset;
};

/* What a simple argument is, close together: records of many are written fast. */
struct up_plain {
	uint64_t mask, sign;
	uint64_t reg;
};

struct up_program {
	unsigned count;		/* arguments */
	unsigned cells;		/* values: one for each scalar or element */
	unsigned room;		/* bytes that strings may take */
	unsigned texts;		/* string arguments */
	bool simple;		/* all arguments are */
	struct up_arg *args;
	struct up_plain *plain;	/* by argument, if all are simple */
};

/* The value of a text cell: offset in the area << 32 | length. */
#define UP_NO_TEXT UINT64_MAX

struct up_task;

/* One hit while it is looked at. */
struct up_hit {
	const struct up_source *source;
	const struct up_program *program;
	uint64_t address;	/* probed; of a return, the function */
	uint64_t pc;		/* of a return, where it went */
	uint64_t file_offset;
	uint64_t now;		/* ns */
	uint64_t latency;	/* ns since entry, 0 at an entry */
	const uint64_t *entry;	/* values captured at entry, NULL at an entry */
	const struct up_task *task;
	uint64_t *cells;	/* values that are valid: see done */
	uint64_t done[UP_MAX_ARGS / 64];
	char *area;		/* UP_MAX_RECORD bytes for strings */
	unsigned area_size;
	bool texts_done;
};

bool up_program_init(struct up_program *program, const uint8_t *packed, size_t size, unsigned room);
void up_program_deinit(struct up_program *program);
/* How many values captured at entry the program may look at. */
uint64_t up_program_entries(const struct up_program *program);
/* Runs the number argument index, once per hit. */
void up_fetch_number(struct up_hit *hit, unsigned index);
/* Runs all string arguments, once per hit. */
void up_fetch_texts(struct up_hit *hit);
/* Everything. */
void up_fetch_all(struct up_hit *hit);
bool up_fetch_address(struct up_hit *hit, const struct up_arg *arg, unsigned derefs, uint64_t *ret);
uint64_t up_register(const struct up_hit *hit, unsigned index);

/* Register index (not the PC) of the task behind source. */
static inline uint64_t up_source_register(const struct up_source *source, unsigned index)
{
	return source->registers ? source->registers[index] : source->reg(source->context, index);
}

static inline uint64_t up_simple(const struct up_hit *hit, const struct up_arg *arg)
{
	const uint64_t *registers = hit->source->registers;
	uint64_t value = registers && arg->reg <= UP_SP ? registers[arg->reg] : up_register(hit, arg->reg);

	return ((value & arg->mask) ^ arg->sign) - arg->sign;
}

static inline uint64_t up_number(struct up_hit *hit, unsigned index)
{
	if (hit->program->args[index].simple)
		return up_simple(hit, &hit->program->args[index]);
	if (!(hit->done[index / 64] >> index % 64 & 1))
		up_fetch_number(hit, index);
	return hit->cells[hit->program->args[index].cell];
}

/* --- fields, filters (filter.c) ---------------------------------------------- */

enum up_field_source { UP_FIELD_ARG, UP_FIELD_PID, UP_FIELD_TID, UP_FIELD_COMM, UP_FIELD_ADDRESS,
		       UP_FIELD_LATENCY, UP_FIELD_PC, UP_FIELD_ZERO };

/* A value of a hit.  kind as in up_arg; 's' for signed, 'u' for the rest, 'f' double, 't' text. */
struct up_field {
	uint8_t source, kind;
	uint16_t arg;
};

struct up_text {
	const char *bytes;	/* NULL: unreadable */
	size_t size;
};

bool up_field_is_valid(struct up_field field, const struct up_program *program);
uint64_t up_field_number(struct up_hit *hit, struct up_field field);
struct up_text up_field_text(struct up_hit *hit, struct up_field field);

enum up_compare { UP_EQ, UP_NE, UP_LT, UP_LE, UP_GT, UP_GE, UP_AND, UP_TEXT_EQ, UP_TEXT_HEAD, UP_TEXT_TAIL,
		  UP_TEXT_INSIDE, UP_TEXT_GLOB };

/* One step of a branching program: if the test's truth is when, go to target + 1, else to the next. */
struct up_test {
	struct up_field field;
	uint8_t compare;
	uint8_t when;
	uint16_t target;
	uint32_t text_at, text_size;	/* operand in the filter's texts */
	uint64_t value;			/* number or double, as the field's kind says */
};
_Static_assert(sizeof(struct up_test) == 24, "packed by native_filters.py");

struct up_filter {
	unsigned count;
	struct up_test *tests;
	char *texts;
};

bool up_filter_init(struct up_filter *filter, const uint8_t *packed, size_t size, const char *texts,
		    size_t texts_size, const struct up_program *program);
void up_filter_deinit(struct up_filter *filter);
/* Whether the filter may look at the values of program, for which it was not made. */
bool up_filter_fits(const struct up_filter *filter, const struct up_program *program);
bool up_filter_accepts(const struct up_filter *filter, struct up_hit *hit);
bool up_glob(const char *pattern, size_t pattern_size, const char *text, size_t text_size);

/* --- keyed maps (map.c) --------------------------------------------------------- */

struct up_stat {
	__extension__ __int128 sum, low, high;
	double float_sum, float_low, float_high;
};

/* One key's entry; entries stay in the order in which they were made. */
struct up_entry {
	uint64_t hash;
	uint64_t order;		/* of first sight, over all maps of an engine */
	uint64_t count;
	uint32_t key_at, key_size;
};

struct up_map {
	struct up_entry *entries;
	struct up_stat *stats;	/* NULL unless made with stats */
	char *keys;
	uint32_t *slots;	/* entry + 1, 0: free; a power of two of them */
	uint32_t count, capacity, slot_mask;
	size_t keys_used, keys_size;
	uint32_t last;		/* entry that was found last */
	uint32_t limit;		/* keys that it may hold */
	bool with_stats;
};

bool up_map_init(struct up_map *map, bool with_stats);
void up_map_deinit(struct up_map *map);
/* All counts and stats begin again at 0; the keys stay, so that the limit holds for good. */
void up_map_zero(struct up_map *map);
/* The entry of key, made with *order (which is then advanced) if it is new; NULL: there is no room. */
struct up_entry *up_map_at(struct up_map *map, const void *key, size_t size, uint64_t *order);
/* The same for a key of one number. */
struct up_entry *up_map_at_number(struct up_map *map, uint64_t key, uint64_t *order);

/* --- records (ring.c) ------------------------------------------------------------ */

/* What stands before each record's cells and text. */
struct up_record {
	uint32_t size;		/* of all of it, a multiple of 8 */
	uint32_t sink;		/* who it is for */
	uint32_t who;		/* index of the task's name and numbers */
	uint32_t text_size;
	uint64_t time;		/* ns */
	uint64_t pc;
	uint64_t function;	/* of a return; else 0 */
};
_Static_assert(sizeof(struct up_record) == 40, "unpacked by native_records.py");

/* One block: records lie in [start, used). */
struct up_ring {
	char *bytes;
	size_t size, start, used;
	uint64_t records, dropped;
	uint64_t limit;		/* keep so many, the last ones, and count what made room; 0: lose nothing */
};

bool up_ring_init(struct up_ring *ring, size_t size);
void up_ring_deinit(struct up_ring *ring);
/* Forget the records; what was dropped stays counted. */
void up_ring_reset(struct up_ring *ring);
/* From now on keep the last limit records, or lose nothing (0); an empty ring only. */
void up_ring_keep(struct up_ring *ring, uint64_t limit);

/* --- actions (action.c) ------------------------------------------------------------ */

enum up_action_kind { UP_COUNT, UP_SUM, UP_HIST, UP_RECORD, UP_STACKS, UP_CALL };
enum up_hist_kind { UP_LOG2, UP_LINEAR, UP_SUB };

/* One action on one event. */
struct up_action {
	uint8_t kind, hist;
	uint8_t keys;
	bool has_filter;
	struct up_field key[UP_MAX_KEY];
	struct up_field value;
	uint64_t parameter;	/* step, bits, depth */
	struct up_filter filter;
	struct up_map map;
	uint64_t total;		/* of an unkeyed count */
	uint64_t lost;		/* hits for whose key there was no room */
	uint32_t sink;
	struct up_engine *engine;
};

/* Whether the action makes sense, and may look at the values of program. */
bool up_action_fits(const struct up_action *action, const struct up_program *program);
void up_action_run(struct up_action *action, struct up_hit *hit);
uint64_t up_bucket(enum up_hist_kind kind, uint64_t parameter, uint64_t value);

/* --- probes, sites, tasks (engine.c, returns.c) ---------------------------------------- */

enum { UP_MISSED_LONGJMP, UP_MISSED_EXEC, UP_MISSED_EXIT, UP_MISSED_DEPTH, UP_MISSED_NO_CALLER, UP_MISSED_KINDS };

/* What a handler may vote (types.HandlerVote). */
enum { UP_KEEP = 0, UP_VOTE_REMOVE = 1, UP_VOTE_IGNORE = 2 };

/*
 * Functions outside speak for the event (ALL), or are those of one sink of it: its only one (ALONE), and
 * one that sees returns as well (PAIR).
 */
enum { UP_VOTES_ALL = 1, UP_VOTES_ALONE = 2, UP_VOTES_PAIR = 4 };

/* In place of a cookie: the sink does not see this call's return. */
#define UP_IGNORED ((void *)1)

/* One location of one event (the EventProbe of event_probe.py). */
struct up_probe {
	bool enabled, is_return, has_filter, wants_returns;
	struct up_program program;
	struct up_program capture;	/* entry_args */
	struct up_filter filter;
	unsigned entry_count, return_count;
	struct up_action **entry_actions, **return_actions;
	uint64_t hits, entries, returns;
	uint64_t missed[UP_MISSED_KINDS];
	uint32_t chain;		/* number + 1 of its functions outside; 0: none */
	uint8_t votes;		/* UP_VOTES_...: what they say of the event */
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
	unsigned count;
	unsigned captured;		/* values that all its probes capture */
	unsigned kept;			/* words to keep of a call until it returns: those, and cookies */
	struct up_probe **probes;
	struct up_engine *engine;
	struct up_action *only;		/* UP_SITE_COUNT, UP_SITE_LATENCY: the one action */
	void *backend;			/* the glue's own */
};

/*
 * What is kept of a call until it returns: the values that its probes captured, then a cookie for each
 * probe.  Blocks are used again and again, so that a hit allocates nothing.
 */
struct up_kept {
	struct up_kept *next;	/* while it is spare */
	unsigned size;		/* words that it has room for */
	unsigned used;
	uint64_t words[];
};

/* A call whose return is awaited. */
struct up_call {
	struct up_site *site;
	uint64_t sp, return_address;
	uint64_t entered;	/* ns */
	uint64_t followed;	/* bit i: probe i of the site wants its return */
	struct up_kept *kept;	/* NULL if there is nothing */
	bool chained;		/* hijack: it shares its frame with the call before it */
};

struct up_calls {
	struct up_call *items;
	unsigned count, capacity;
};

struct up_task {
	uint32_t pid, tid;
	uint32_t who;
	char comm[UP_COMM];
	unsigned comm_size;
	struct up_calls pending, suspects;
	bool used;
};

/*
 * Chains are functions outside for a call's beginning, its return and its loss; what the first left, the
 * cookie, the second gets.  A cookie belongs to whom it was given to.
 */
struct up_outside {
	void *context;
	/* Sets the engine's vote, if it votes. */
	void (*enter)(void *context, uint32_t chain, struct up_hit *hit, void **cookie_ret);
	void (*leave)(void *context, uint32_t chain, struct up_hit *hit, void *cookie);
	void (*missed)(void *context, uint32_t chain, uint64_t function, int reason);
	void *(*copy)(void *context, void *cookie);
	void (*drop)(void *context, void *cookie);
	/* All consumers of the site at address voted for its removal. */
	void (*vote_out)(void *context, uint64_t address);
	/* The trampoline of the running task's process, made if there is none; 0: there cannot be one. */
	uint64_t (*trampoline)(void *context);
};

struct up_engine {
	uint64_t now;		/* ns, advanced by hit_cost at each hit */
	uint64_t hit_cost;	/* 0: the host's clock is read instead */
	uint64_t order;		/* of first sight of keys */
	uint64_t hits;
	struct up_task *task;	/* the running one */
	uint64_t *cells;
	unsigned cell_room;
	struct up_kept *spare;
	unsigned kept_room;	/* words of the largest that any site needs */
	char *area;
	struct up_ring ring;
	/* Empties the ring; NULL or false: records are dropped and counted. */
	bool (*drain)(void *context);
	void *drain_context;
	/* Called for UP_CALL actions: a Python handler. */
	void (*call)(void *context, struct up_action *action, struct up_hit *hit);
	void *call_context;
	struct up_outside outside;
	unsigned vote;		/* of the probe whose handlers run */
	bool called;		/* something outside was called, which may have changed the task */

	/* Hijack: the address that LR gets, 0: not known in the running task's process; calls pending at most. */
	bool hijack;
	uint64_t trampoline;
	unsigned depth;		/* 0: no limit */
	/* The interpreter lock is held although guest code runs: see module_handlers.c. */
	bool holds_lock;
};

bool up_engine_init(struct up_engine *engine, size_t ring_size);
void up_engine_deinit(struct up_engine *engine);
bool up_engine_reserve(struct up_engine *engine, unsigned cells);
/* The task reached site.  Answers whether a return has to be watched at *ret. */
bool up_site_hit(struct up_site *site, const struct up_source *source, uint64_t *ret);
/* The task reached an address where returns are watched; answers whether one was there. */
bool up_return_hit(struct up_engine *engine, const struct up_source *source, uint64_t address);
void up_tick(struct up_engine *engine);
void up_site_prepare(struct up_site *site);
void up_hit_init(struct up_hit *hit, const struct up_source *source, struct up_engine *engine);
bool up_write_record(struct up_engine *engine, uint32_t sink, struct up_hit *hit);

/* A hit of a UP_SITE_COUNT. */
static inline void up_count_hit(struct up_site *site)
{
	struct up_engine *engine = site->engine;

	engine->now += engine->hit_cost;
	engine->hits++;
	site->probes[0]->hits++;
	site->only->total++;
}

void up_task_deinit(struct up_task *task);
void up_task_abandon(struct up_task *task, int reason);
unsigned up_task_pending(const struct up_task *task, const struct up_probe *probe);
bool up_calls_push(struct up_calls *calls, struct up_call call);
/* The function at site was entered; answers whether its return has to be watched at *ret. */
bool up_enter(struct up_site *site, const struct up_source *source, uint64_t followed, struct up_kept *kept,
	      uint64_t *ret);
void up_miss(struct up_call *call, int reason);
void up_deliver(struct up_engine *engine, const struct up_source *source, struct up_call *call);

/* What is kept of calls (kept.c).  A cookie is that of probe number index of the call's site. */
struct up_kept *up_kept_take(struct up_engine *engine, unsigned words);
struct up_kept *up_kept_copy(struct up_engine *engine, const struct up_site *site, const struct up_kept *kept);
void up_kept_give(struct up_engine *engine, const struct up_site *site, struct up_kept *kept);
void *up_kept_cookie(const struct up_site *site, const struct up_kept *kept, unsigned index);
void up_kept_set_cookie(const struct up_site *site, struct up_kept *kept, unsigned index, void *cookie);

/* Hijacked returns (hijack.c). */
void up_hijack(struct up_site *site, const struct up_source *source, struct up_call *call);
/* The task is at the trampoline; false: no call belongs to it, and the task is lost. */
bool up_trampoline_hit(struct up_engine *engine, const struct up_source *source);
/* task is a copy of parent (fork): its pending calls are its own. */
bool up_task_inherit(struct up_task *task, const struct up_task *parent, struct up_engine *engine);

#endif
