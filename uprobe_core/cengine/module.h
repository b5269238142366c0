/* What the files of the Python binding share. */
#ifndef UPROBE_MODULE_H
#define UPROBE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "api.h"

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
	PyObject *outcome;	/* called with (number of the handler, exception or result) */
	PyObject *fault_type;	/* MemoryFault */
	struct up_hit *active;	/* while a handler runs */
	unsigned exports;	/* views of the ring that are alive */
} EngineObject;

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
PyObject *engine_add_site(EngineObject *self, PyObject *args);
PyObject *engine_site_pointer(EngineObject *self, PyObject *number);
PyObject *engine_hit(EngineObject *self, PyObject *args);
PyObject *engine_return_hit(EngineObject *self, PyObject *args);
PyObject *engine_set_task(EngineObject *self, PyObject *args);
PyObject *engine_run_task(EngineObject *self, PyObject *number);
PyObject *engine_end_task(EngineObject *self, PyObject *args);

PyObject *engine_pending(EngineObject *self, PyObject *number);

#endif
