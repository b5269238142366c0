/*
 * The Python binding: the type Engine, its ring, and the module.
 *
 * Only the files module*.c know Python.
 */
#include "module.h"

#include <stdlib.h>
#include <structmember.h>

/* --- the ring ------------------------------------------------------------------------ */

static int engine_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
	EngineObject *self = (EngineObject *)object;
	struct up_ring *ring = &self->core.ring;

	if (PyBuffer_FillInfo(view, object, ring->bytes + ring->start, (Py_ssize_t)(ring->used - ring->start), 1, flags))
		return -1;
	self->exports++;
	return 0;
}

static void engine_release_buffer(PyObject *object, Py_buffer *view)
{
	(void)view;
	((EngineObject *)object)->exports--;
}

static PyObject *engine_reset_ring(EngineObject *self, PyObject *unused)
{
	(void)unused;
	if (self->exports) {
		PyErr_SetString(PyExc_BufferError, "a view of the records is still in use");
		return NULL;
	}
	up_ring_reset(&self->core.ring);
	Py_RETURN_NONE;
}

/* The ring is full: Python empties it.  An error there loses records, and they are counted. */
static bool drain_into_python(void *context)
{
	EngineObject *self = context;
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	PyObject *result = self->drain ? PyObject_CallNoArgs(self->drain) : NULL;
	if (!result && PyErr_Occurred())
		PyErr_WriteUnraisable(self->drain);
	Py_XDECREF(result);
	PyErr_Restore(type, value, trace);
	PyGILState_Release(state);
	return result != NULL;
}

static PyObject *engine_set_drain(EngineObject *self, PyObject *function)
{
	Py_XSETREF(self->drain, Py_NewRef(function));
	self->core.drain = drain_into_python;
	self->core.drain_context = self;
	Py_RETURN_NONE;
}

static PyObject *engine_keep_last(EngineObject *self, PyObject *limit)
{
	unsigned long long records = PyLong_AsUnsignedLongLong(limit);

	if (PyErr_Occurred())
		return NULL;
	up_ring_keep(&self->core.ring, records);
	Py_RETURN_NONE;
}

/* --- Python handlers: see module_handlers.c ------------------------------------------- */

static PyObject *engine_set_outcome(EngineObject *self, PyObject *function)
{
	Py_XSETREF(self->outcome, Py_NewRef(function));
	Py_RETURN_NONE;
}

static bool is_active(const EngineObject *self)
{
	if (self->active)
		return true;
	PyErr_SetString(PyExc_RuntimeError, "a hit is alive only during the handler call");
	return false;
}

/* Register number of the hit that is being handled. */
static PyObject *engine_register(EngineObject *self, PyObject *number)
{
	unsigned long index = PyLong_AsUnsignedLong(number);

	if (PyErr_Occurred() || !is_active(self))
		return NULL;
	if (index >= self->core.registers.count) {
		PyErr_Format(PyExc_IndexError, "no register has number %lu", index);
		return NULL;
	}
	return PyLong_FromUnsignedLongLong(up_register(self->active, (unsigned)index));
}

/* (cells, text) of the hit that is being handled. */
static PyObject *engine_values(EngineObject *self, PyObject *unused)
{
	(void)unused;
	if (!is_active(self))
		return NULL;
	struct up_hit *hit = self->active;
	up_fetch_all(hit);
	return Py_BuildValue("y#y#", hit->cells, (Py_ssize_t)(hit->program->cells * sizeof(uint64_t)), hit->area,
			     (Py_ssize_t)(hit->texts_done ? hit->area_size : 0));
}

/* --- life ----------------------------------------------------------------------------------- */

static PyObject *engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"fault_type", "ring_size", "registers", NULL};
	PyObject *fault_type;
	Py_ssize_t ring_size;
	struct up_registers is;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "On(bbbbbbb)", names, &fault_type, &ring_size, &is.count, &is.sp,
					 &is.pc, &is.result, &is.link, &is.frame, &is.width))
		return NULL;
	if (!up_registers_prepare(&is))
		return engine_refuse("an engine for these registers");
	if (ring_size < 2 * (UP_MAX_RECORD + UP_MAX_ARGS * UP_MAX_ARRAY * 8)) {
		PyErr_Format(PyExc_ValueError, "a ring of %zd bytes cannot hold the largest record", ring_size);
		return NULL;
	}
	EngineObject *self = (EngineObject *)type->tp_alloc(type, 0);
	if (!self)
		return NULL;
	self->fault_type = Py_NewRef(fault_type);
	if (!up_engine_init(&self->core, (size_t)ring_size)) {
		Py_DECREF(self);
		return PyErr_NoMemory();
	}
	self->core.registers = is;
	return (PyObject *)self;
}

static void table_deinit(struct table *table, void (*deinit)(void *))
{
	for (unsigned i = 0; i < table->count; i++) {
		deinit(table->items[i]);
		free(table->items[i]);
	}
	free(table->items);
}

static void deinit_probe(void *item)
{
	struct up_probe *probe = item;

	up_program_deinit(&probe->program);
	up_program_deinit(&probe->capture);
	up_program_deinit(&probe->returned);
	up_filter_deinit(&probe->filter);
	free(probe->entry_actions);
	free(probe->return_actions);
	free(probe->sites);
}

static void deinit_action(void *item)
{
	struct up_action *action = item;

	up_filter_deinit(&action->filter);
	up_map_deinit(&action->map);
	up_top_deinit(&action->top);
}

static void deinit_site(void *item)
{
	free(((struct up_site *)item)->probes);
}

static void deinit_task(void *item)
{
	up_task_deinit(item);
}

static int engine_traverse(EngineObject *self, visitproc visit, void *arg)
{
	Py_VISIT(self->drain);
	Py_VISIT(self->outcome);
	Py_VISIT(self->vote_out);
	Py_VISIT(self->trampoline);
	Py_VISIT(self->fault_type);
	Py_VISIT(self->find_step);
	Py_VISIT(self->walk_stack);
	Py_VISIT(self->frames);
	int status = engine_visit_handlers(self, visit, arg);
	return status ? status : engine_visit_chains(self, visit, arg);
}

static int engine_clear(EngineObject *self)
{
	Py_CLEAR(self->drain);
	engine_drop_chains(self);
	engine_drop_handlers(self);
	Py_CLEAR(self->outcome);
	Py_CLEAR(self->vote_out);
	Py_CLEAR(self->trampoline);
	Py_CLEAR(self->fault_type);
	Py_CLEAR(self->find_step);
	Py_CLEAR(self->walk_stack);
	Py_CLEAR(self->frames);
	return 0;
}

static void engine_dealloc(EngineObject *self)
{
	PyObject_GC_UnTrack(self);
	engine_clear(self);
	table_deinit(&self->tasks, deinit_task);
	table_deinit(&self->sites, deinit_site);
	table_deinit(&self->actions, deinit_action);
	table_deinit(&self->probes, deinit_probe);
	free(self->chains);
	up_engine_deinit(&self->core);
	Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *engine_pointer(EngineObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromVoidPtr(&self->core);
}

static PyMemberDef members[] = {
	{"now", T_ULONGLONG, offsetof(EngineObject, core.now), 0, "Nanoseconds on the run's clock."},
	{"work", T_ULONGLONG, offsetof(EngineObject, core.work), 0, "Instructions executed so far."},
	{"host_clock", T_BOOL, offsetof(EngineObject, core.host_clock), 0, "Whether the host's clock is read at hits."},
	{"vote", T_UINT, offsetof(EngineObject, core.vote), 0, "What the handlers of the hit under way voted."},
	{"hijack", T_BOOL, offsetof(EngineObject, core.hijack), 0, "Whether return addresses are swapped for the trampoline."},
	{"trampoline", T_ULONGLONG, offsetof(EngineObject, core.trampoline), 0, "Its address, 0: not known."},
	{"depth", T_UINT, offsetof(EngineObject, core.depth), 0, "Hijacked calls that a task may have; 0: any."},
	{"user_end", T_ULONGLONG, offsetof(EngineObject, core.registers.end), 0,
	 "The end of the addresses that arguments may lie at; 0: all may."},
	{"hits", T_ULONGLONG, offsetof(EngineObject, core.hits), 0, "Hits so far."},
	{"dropped", T_ULONGLONG, offsetof(EngineObject, core.ring.dropped), 0, "Records that were dropped."},
	{"records", T_ULONGLONG, offsetof(EngineObject, core.ring.records), READONLY, "Records in the ring."},
	{NULL, 0, 0, 0, NULL},
};

static PyObject *engine_inside(EngineObject *self, void *closure)
{
	const struct up_call *call = self->core.returning;

	(void)closure;
	return PyLong_FromUnsignedLongLong(call ? call->inside : 0);
}

static PyObject *engine_jumps(EngineObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromUnsignedLongLong(self->core.task ? self->core.task->jumps : 0);
}

static PyGetSetDef getters[] = {
	{"jumps", (getter)engine_jumps, NULL, "Of the running task: see uprobe_core.event_model.OpCode.JUMPS.", NULL},
	{"returning", (getter)engine_returning, NULL, "Of the call that returns: the number of its path.", NULL},
	{"inside", (getter)engine_inside, NULL, "Of the call that returns: ns in calls that it made.", NULL},
	{"pointer", (getter)engine_pointer, NULL, "Address of the engine, for a backend's glue.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

#define METHOD(name, flags) {#name, (PyCFunction)(void (*)(void))engine_##name, flags, NULL}

static PyMethodDef methods[] = {
	METHOD(fetch, METH_VARARGS),
	METHOD(add_probe, METH_VARARGS),
	METHOD(set_probe, METH_VARARGS),
	METHOD(take_probe, METH_VARARGS),
	METHOD(add_action, METH_VARARGS),
	METHOD(take_action, METH_VARARGS),
	METHOD(limit_keys, METH_VARARGS),
	METHOD(keep_slowest, METH_VARARGS),
	METHOD(follow_paths, METH_VARARGS),
	METHOD(path, METH_VARARGS),
	METHOD(add_site, METH_VARARGS),
	METHOD(site_pointer, METH_O),
	METHOD(hit, METH_VARARGS),
	METHOD(return_hit, METH_VARARGS),
	METHOD(set_task, METH_VARARGS),
	METHOD(run_task, METH_O),
	METHOD(task_pointer, METH_O),
	METHOD(end_task, METH_VARARGS),
	METHOD(inherit, METH_VARARGS),
	METHOD(awaited, METH_NOARGS),
	METHOD(pending, METH_O),
	METHOD(tell, METH_O),
	METHOD(see_jumps, METH_O),
	METHOD(jumped, METH_NOARGS),
	METHOD(raised, METH_O),
	METHOD(unwound, METH_VARARGS),
	METHOD(trampoline_hit, METH_O),
	METHOD(add_chain, METH_VARARGS),
	METHOD(drop_chain, METH_O),
	METHOD(set_outside, METH_VARARGS),
	METHOD(reset_ring, METH_NOARGS),
	METHOD(set_drain, METH_O),
	METHOD(keep_last, METH_O),
	METHOD(add_handler, METH_VARARGS),
	METHOD(set_outcome, METH_O),
	METHOD(register, METH_O),
	METHOD(values, METH_NOARGS),
	METHOD(set_stacks, METH_VARARGS),
	METHOD(forget_steps, METH_NOARGS),
	METHOD(stack, METH_O),
	METHOD(real_return, METH_O),
	{NULL, NULL, 0, NULL},
};

static PyBufferProcs buffer = {engine_get_buffer, engine_release_buffer};

static PyTypeObject engine_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "uprobe_core.native._engine.Engine",
	.tp_doc = "The native engine; see _engine.pyi.",
	.tp_basicsize = sizeof(EngineObject),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.tp_new = engine_new,
	.tp_dealloc = (destructor)engine_dealloc,
	.tp_traverse = (traverseproc)engine_traverse,
	.tp_clear = (inquiry)engine_clear,
	.tp_methods = methods,
	.tp_members = members,
	.tp_getset = getters,
	.tp_as_buffer = &buffer,
};

static const struct up_api api = {UP_ABI, up_site_hit, up_return_hit, up_trampoline_hit, up_sample_hit, up_task_run};

static PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "uprobe_core.native._engine",
	.m_doc = "The native engine; see _engine.pyi.",
	.m_size = -1,
	.m_methods = module_functions,
};

PyMODINIT_FUNC PyInit__engine(void)
{
	PyObject *self = PyType_Ready(&engine_type) == 0 ? PyModule_Create(&module) : NULL;

	if (!self)
		return NULL;
	PyObject *capsule = PyCapsule_New((void *)(uintptr_t)&api, UP_API_CAPSULE, NULL);
	if (PyModule_AddObjectRef(self, "Engine", (PyObject *)&engine_type) < 0 ||
	    !capsule || PyModule_AddObjectRef(self, "API", capsule) < 0 || !module_add_numbers(self)) {
		Py_DECREF(self);
		return NULL;
	}
	return self;
}
