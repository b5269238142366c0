/* What the files of the Python binding share. */
#ifndef UPROBE_MODULE_H
#define UPROBE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "api.h"
#include "stacks.h"
#include "texts.h"

struct table {
	void **items;
	unsigned count, capacity;
};

typedef struct {
	PyObject_HEAD
	struct up_engine core;
	struct table probes, actions, sites, tasks;
	PyObject *drain;	/* called when the ring is full, or NULL */
	struct handler **handlers;	/* of UP_CALL actions */
	unsigned handler_count;
	struct chain *chains;
	unsigned chain_count;
	PyObject *vote_out;	/* called with the address of a site that all consumers voted out, or NULL */
	PyObject *trampoline;	/* called for the running task's trampoline, or NULL */
	PyObject *outcome;	/* called with (number of the handler, exception or result) */
	PyObject *fault_type;	/* MemoryFault */
	PyObject *find_step, *walk_stack;	/* called for what is known of an address, and for what C cannot walk */
	PyObject *frames;	/* list of frames by number */
	struct up_hit *active;	/* while a handler runs */
	unsigned exports;	/* views of the ring that are alive */
} EngineObject;

/* What Python reads instead of writing it again (module_numbers.c); false: an exception is set. */
bool module_add_numbers(PyObject *module);

/* Tables of objects (module_objects.c): a new one, or the one of that number; NULL with an exception set. */
void *table_add(struct table *table, size_t size);
void *table_get(const struct table *table, Py_ssize_t index, const char *what);
/* Sets the exception that says so; returns NULL. */
PyObject *engine_refuse(const char *what);
/* The same of something that was not made. */
PyObject *engine_unmade(enum up_made made, const char *what);

PyObject *engine_add_handler(EngineObject *self, PyObject *args);
int engine_visit_handlers(EngineObject *self, visitproc visit, void *arg);
void engine_drop_handlers(EngineObject *self);
PyObject *engine_fetch(EngineObject *self, PyObject *args);
PyObject *engine_add_probe(EngineObject *self, PyObject *args);
PyObject *engine_set_probe(EngineObject *self, PyObject *args);
PyObject *engine_take_probe(EngineObject *self, PyObject *args);
PyObject *engine_add_action(EngineObject *self, PyObject *args);
PyObject *engine_take_action(EngineObject *self, PyObject *args);
PyObject *engine_limit_keys(EngineObject *self, PyObject *args);
PyObject *engine_keep_slowest(EngineObject *self, PyObject *args);
PyObject *engine_follow_paths(EngineObject *self, PyObject *args);
PyObject *engine_path(EngineObject *self, PyObject *args);
PyObject *engine_returning(EngineObject *self, void *closure);
PyObject *engine_add_site(EngineObject *self, PyObject *args);
PyObject *engine_site_pointer(EngineObject *self, PyObject *number);
PyObject *engine_hit(EngineObject *self, PyObject *args);
PyObject *engine_return_hit(EngineObject *self, PyObject *args);
PyObject *engine_set_task(EngineObject *self, PyObject *args);
PyObject *engine_task_pointer(EngineObject *self, PyObject *number);
PyObject *engine_run_task(EngineObject *self, PyObject *number);
PyObject *engine_end_task(EngineObject *self, PyObject *args);

PyObject *engine_inherit(EngineObject *self, PyObject *args);
PyObject *engine_awaited(EngineObject *self, PyObject *unused);
PyObject *engine_pending(EngineObject *self, PyObject *number);
PyObject *engine_tell(EngineObject *self, PyObject *who);
PyObject *engine_see_jumps(EngineObject *self, PyObject *seen);
PyObject *engine_jumped(EngineObject *self, PyObject *unused);
PyObject *engine_raised(EngineObject *self, PyObject *sp);
PyObject *engine_unwound(EngineObject *self, PyObject *args);
PyObject *engine_trampoline_hit(EngineObject *self, PyObject *hit);

PyObject *engine_add_chain(EngineObject *self, PyObject *args);
PyObject *engine_drop_chain(EngineObject *self, PyObject *number);
PyObject *engine_set_outside(EngineObject *self, PyObject *args);

PyObject *engine_set_stacks(EngineObject *self, PyObject *args);
PyObject *engine_forget_steps(EngineObject *self, PyObject *unused);
PyObject *engine_stack(EngineObject *self, PyObject *number);
PyObject *engine_real_return(EngineObject *self, PyObject *number);

extern PyMethodDef module_functions[];
/* Who is called when the process is about to die, None: nobody (module_last_words.c). */
PyObject *module_last_words(PyObject *self, PyObject *asked);

/* For whoever calls Python at a hit (module_handlers.c). */
bool engine_take_lock(EngineObject *self);
void engine_let_go(EngineObject *self, bool held);
bool engine_call_handler(EngineObject *self, uint32_t number, struct up_hit *hit, PyObject *cookie);
PyObject *engine_handler_cookie(EngineObject *self, uint32_t number);
void engine_report_failure(EngineObject *self, uint32_t number);
int engine_visit_chains(EngineObject *self, visitproc visit, void *arg);
void engine_drop_chains(EngineObject *self);

#endif
