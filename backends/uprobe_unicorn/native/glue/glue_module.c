/* The Python binding of the glue.  backends/uprobe_unicorn/native/cpu.py is its only user. */
#include "glue_module.h"

#include <errno.h>
#include <stdlib.h>
#include <structmember.h>

#include "code_seen.h"
#include "guard.h"
#include "hooks.h"
#include "run.h"

enum { FUNCTIONS = 10 };

static void copy_functions(struct uc_api *api, const unsigned long long *functions)
{
	_Static_assert(sizeof(*api) == FUNCTIONS * sizeof(void *), "one address for each function");
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		uintptr_t address = (uintptr_t)functions[i];
		memcpy((char *)api + i * sizeof(address), &address, sizeof(address));
	}
}

/* --- calls into Python ------------------------------------------------------------------ */

/* Keeps the exception that is set; the run ends soon. */
void glue_object_keep_error(GlueObject *self)
{
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	if (trace)
		PyException_SetTraceback(value, trace);
	if (!self->error)
		self->error = Py_XNewRef(value);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	self->core.stop = true;	/* no other thread's turn comes */
	self->core.uc.emu_stop(self->core.engine_handle);
}

static bool call_fill(void *context, uint64_t address, int access, struct uc_tlb_entry *ret)
{
	GlueObject *self = context;
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *answer = PyObject_CallFunction(self->fill, "Ki", address, access);
	long long physical = -1;
	unsigned perms = 0;

	if (!answer || !PyArg_ParseTuple(answer, "LI", &physical, &perms)) {
		glue_object_keep_error(self);
		physical = -1;
	}
	Py_XDECREF(answer);
	PyGILState_Release(state);
	if (physical < 0)
		return false;
	*ret = (struct uc_tlb_entry){(uint64_t)physical, perms};
	return true;
}

static bool call_inline(void *context, uint64_t address)
{
	GlueObject *self = context;
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *answer = PyObject_CallFunction(self->inline_hook, "K", address);
	int stop = answer ? PyObject_IsTrue(answer) : -1;

	if (stop < 0)
		glue_object_keep_error(self);
	Py_XDECREF(answer);
	PyGILState_Release(state);
	return stop != 0;
}

/* --- running ------------------------------------------------------------------------------- */

static PyObject *glue_object_run(GlueObject *self, PyObject *args)
{
	unsigned long long pc, skip;
	unsigned skips;
	unsigned long long target;

	if (!PyArg_ParseTuple(args, "KKIK", &pc, &skip, &skips, &target))
		return NULL;
	PyThreadState *state = PyEval_SaveThread();
	int status = glue_run(&self->core, pc, skip, skips, target);
	if (self->core.engine && self->core.engine->holds_lock)
		self->core.engine->holds_lock = false;	/* taken for a handler and kept */
	else
		PyEval_RestoreThread(state);
	if (self->error) {
		PyObject *error = self->error;
		self->error = NULL;
		PyErr_SetObject((PyObject *)Py_TYPE(error), error);
		Py_DECREF(error);
		return NULL;
	}
	return PyLong_FromLong(status);
}

static PyObject *glue_object_request_stop(GlueObject *self, PyObject *unused)
{
	(void)unused;
	glue_stop(&self->core);
	Py_RETURN_NONE;
}

/* (descriptor that ends it, descriptors to stop for, to end for, one to die for or 0): starts watch.c's thread. */
static PyObject *glue_object_watch(GlueObject *self, PyObject *args)
{
	PyObject *end, *quiet, *final;
	int deadly;

	if (!PyArg_ParseTuple(args, "OO!O!i", &end, &PyTuple_Type, &quiet, &PyTuple_Type, &final, &deadly))
		return NULL;
	struct watch *watch = &self->watch;
	Py_ssize_t stops = PyTuple_GET_SIZE(quiet), count = 1 + stops + PyTuple_GET_SIZE(final);
	if (count > MAX_WATCHED)
		return PyErr_Format(PyExc_ValueError, "%zd descriptors are too many to watch", count);
	*watch = (struct watch){.count = (unsigned)count, .first_final = 1 + (unsigned)stops, .deadly = deadly};
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *fd = !i ? end : i <= stops ? PyTuple_GET_ITEM(quiet, i - 1) : PyTuple_GET_ITEM(final, i - 1 - stops);
		watch->polls[i].fd = PyObject_AsFileDescriptor(fd);
		if (watch->polls[i].fd < 0)
			return NULL;
	}
	if (!watch_start(watch, &self->core)) {
		errno = EAGAIN;	/* what pthread_create has for it */
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	Py_RETURN_NONE;
}

/* The descriptor that ends it is readable: wait for the thread's end. */
static PyObject *glue_object_unwatch(GlueObject *self, PyObject *unused)
{
	(void)unused;
	Py_BEGIN_ALLOW_THREADS
	watch_join(&self->watch);
	Py_END_ALLOW_THREADS
	Py_RETURN_NONE;
}

/* Between runs: so many instructions were executed. */
static PyObject *glue_object_settle(GlueObject *self, PyObject *executed)
{
	unsigned long long value = PyLong_AsUnsignedLongLong(executed);
	if (PyErr_Occurred())
		return NULL;
	work_settle(&self->core.work, value);
	if (self->core.seen)
		self->core.seen->trapped = NO_TRAP;
	Py_RETURN_NONE;
}

/* --- life ------------------------------------------------------------------------------------------ */

static PyObject *glue_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	unsigned long long functions[FUNCTIONS], handle, arena, arena_size;
	PyObject *fill, *inline_hook;

	if (kwargs && PyDict_GET_SIZE(kwargs))
		return PyErr_Format(PyExc_TypeError, "Glue takes no keywords");
	if (!PyArg_ParseTuple(args, "(KKKKKKKKKK)KKKOO", &functions[0], &functions[1], &functions[2], &functions[3],
			      &functions[4], &functions[5], &functions[6], &functions[7], &functions[8], &functions[9],
			      &handle, &arena, &arena_size, &fill, &inline_hook))
		return NULL;
	GlueObject *self = (GlueObject *)type->tp_alloc(type, 0);
	if (!self)
		return NULL;
	self->fill = Py_NewRef(fill);
	self->inline_hook = Py_NewRef(inline_hook);
	struct glue *core = &self->core;
	copy_functions(&core->uc, functions);
	core->engine_handle = (uc_engine *)(uintptr_t)handle;
	core->arena = (char *)(uintptr_t)arena;
	core->arena_size = arena_size;
	core->context = self;
	core->fill = call_fill;
	core->inline_hook = call_inline;
	if (glue_init(core)) {
		guard_add(core->arena, core->arena_size);
		return (PyObject *)self;
	}
	Py_DECREF(self);
	PyErr_SetString(PyExc_RuntimeError, "libunicorn refused a hook");
	return NULL;
}

/* The emulator must not run any more, but must still be open. */
static void glue_object_dealloc(GlueObject *self)
{
	PyObject_GC_UnTrack(self);
	Py_CLEAR(self->fill);
	Py_CLEAR(self->inline_hook);
	Py_CLEAR(self->sample);
	Py_CLEAR(self->engine);
	Py_CLEAR(self->error);
	guard_remove(self->core.arena);
	self->core.calls = NULL;
	Py_CLEAR(self->calls);
	glue_deinit(&self->core);
	for (unsigned i = 0; i < self->place_count; i++)
		free(self->places[i]);
	free(self->places);
	Py_TYPE(self)->tp_free((PyObject *)self);
}

static int glue_object_traverse(GlueObject *self, visitproc visit, void *arg)
{
	Py_VISIT(self->fill);
	Py_VISIT(self->inline_hook);
	Py_VISIT(self->sample);
	Py_VISIT(self->engine);
	Py_VISIT(self->error);
	return 0;
}

static int glue_object_clear(GlueObject *self)
{
	Py_CLEAR(self->fill);
	Py_CLEAR(self->inline_hook);
	Py_CLEAR(self->sample);
	return 0;
}

/* Before the emulator is closed; nothing may be called afterwards. */
static PyObject *glue_object_close(GlueObject *self, PyObject *unused)
{
	(void)unused;
	guard_remove(self->core.arena);
	glue_deinit(&self->core);
	Py_RETURN_NONE;
}

static PyObject *glue_object_python_hook(GlueObject *self, void *closure)
{
	(void)closure;
	return Py_BuildValue("NN", PyLong_FromVoidPtr(glue_python_hook()), PyLong_FromVoidPtr(&self->core));
}

static PyObject *glue_object_stop(GlueObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(self->core.stop);
}

static PyObject *glue_object_rung(GlueObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(self->watch.rung);
}

static int glue_object_set_rung(GlueObject *self, PyObject *value, void *closure)
{
	(void)closure;
	self->watch.rung = PyObject_IsTrue(value) == 1;
	return 0;
}

static PyObject *glue_object_uncounted(GlueObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromUnsignedLongLong(shortcuts_uncounted(self->core.shortcuts));
}

static PyObject *glue_object_no_shortcuts(GlueObject *self, void *closure)
{
	(void)closure;
	return PyUnicode_FromString(self->core.shortcuts ? "" : self->core.no_shortcuts);
}

static int glue_object_set_stop(GlueObject *self, PyObject *value, void *closure)
{
	(void)closure;
	self->core.stop = PyObject_IsTrue(value) == 1;
	return 0;
}

#define OFFSET(member) offsetof(GlueObject, core.member)

static PyMemberDef members[] = {
	{"event", T_INT, OFFSET(event), 0, "Why the run ended: a uprobe_linux.cpu.Event, or -1."},
	{"interrupt", T_UINT, OFFSET(interrupt), 0, "Number of the interrupt."},
	{"hook_address", T_ULONGLONG, OFFSET(hook_address), 0, "Address of the hook that ended the run."},
	{"forgetting", T_BOOL, OFFSET(forgetting), 0, "Whether the window onto physical memory is open."},
	{"refused", T_INT, OFFSET(refused), 0, "The Perm bit of the last access that was refused, 0: none."},
	{"refused_page", T_ULONGLONG, OFFSET(refused_page), 0, "Page of that access."},
	{"executed", T_ULONGLONG, OFFSET(work.seen), READONLY, "Instructions executed, up to where we look."},
	{"clock", T_ULONGLONG, OFFSET(clock), 0, "What the engine's clock shows less executed instructions."},
	{NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getters[] = {
	{"python_hook", (getter)glue_object_python_hook, NULL, "Callback and data of code hooks for Python.", NULL},
	{"uncounted", (getter)glue_object_uncounted, NULL, "Translated blocks that shortcuts do not know how to count.", NULL},
	{"no_shortcuts", (getter)glue_object_no_shortcuts, NULL, "Why there are no shortcuts, '' if there are.", NULL},
	{"rung", (getter)glue_object_rung, (setter)glue_object_set_rung, "Whether a watched descriptor was readable.", NULL},
	{"stop", (getter)glue_object_stop, (setter)glue_object_set_stop, "Whether the run is to end soon.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

#define METHOD(name, flags) {#name, (PyCFunction)(void (*)(void))glue_object_##name, flags, NULL}

static PyMethodDef methods[] = {
	METHOD(run, METH_VARARGS),
	METHOD(request_stop, METH_NOARGS),
	METHOD(watch, METH_VARARGS),
	METHOD(unwatch, METH_NOARGS),
	METHOD(settle, METH_O),
	METHOD(add_data, METH_VARARGS),
	METHOD(add_code, METH_VARARGS),
	METHOD(drop, METH_VARARGS),
	METHOD(make_stores, METH_VARARGS),
	METHOD(flush, METH_VARARGS),
	METHOD(forget_code, METH_VARARGS),
	METHOD(find_registers, METH_NOARGS),
	METHOD(connect, METH_VARARGS),
	METHOD(add_place, METH_VARARGS),
	METHOD(set_place, METH_VARARGS),
	METHOD(hook, METH_VARARGS),
	METHOD(note_python, METH_VARARGS),
	METHOD(slot, METH_VARARGS),
	METHOD(trap, METH_VARARGS),
	METHOD(forget, METH_O),
	METHOD(add_area, METH_VARARGS),
	METHOD(remove_area, METH_O),
	METHOD(begin_samples, METH_VARARGS),
	METHOD(look_for_sample, METH_O),
	METHOD(hold_samples, METH_O),
	METHOD(watch_code, METH_NOARGS),
	METHOD(take_code, METH_VARARGS),
	METHOD(take_wanted, METH_NOARGS),
	METHOD(make_calls, METH_O),
	METHOD(call_registers, METH_NOARGS),
	METHOD(get_reg, METH_O),
	METHOD(set_result, METH_O),
	METHOD(close, METH_NOARGS),
	{NULL, NULL, 0, NULL},
};

static PyTypeObject glue_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "uprobe_unicorn.native._glue.Glue",
	.tp_doc = "Hooks in C for one emulator; see _glue.pyi.",
	.tp_basicsize = sizeof(GlueObject),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.tp_new = glue_object_new,
	.tp_dealloc = (destructor)glue_object_dealloc,
	.tp_traverse = (traverseproc)glue_object_traverse,
	.tp_clear = (inquiry)glue_object_clear,
	.tp_methods = methods,
	.tp_members = members,
	.tp_getset = getters,
};

static PyObject *module_guard_pages(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	return PyLong_FromUnsignedLong(guard_pages());
}

static PyMethodDef functions[] = {
	{"aborting_offsets", module_aborting_offsets, METH_O, NULL},
	{"area_size", module_area_size, METH_O, NULL},
	{"guard_pages", module_guard_pages, METH_NOARGS, NULL},
	{"relocate", module_relocate, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "uprobe_unicorn.native._glue",
	.m_doc = "Hooks in C for libunicorn; see _glue.pyi.",
	.m_size = -1,
	.m_methods = functions,
};

PyMODINIT_FUNC PyInit__glue(void)
{
	bool ready = PyType_Ready(&glue_type) == 0 && PyType_Ready(&glue_calls_type) == 0;
	PyObject *self = ready ? PyModule_Create(&module) : NULL;

	if (!self)
		return NULL;
	if (PyModule_AddObjectRef(self, "Glue", (PyObject *)&glue_type) < 0 ||
	    PyModule_AddObjectRef(self, "Calls", (PyObject *)&glue_calls_type) < 0 ||
	    PyModule_AddIntConstant(self, "ABI", UP_ABI) < 0) {
		Py_DECREF(self);
		return NULL;
	}
	return self;
}
