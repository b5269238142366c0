/* The Python object behind system calls that are made here; uprobe_linux.syscalls.own is its only user. */
#include "glue_module.h"

#include <structmember.h>

static PyObject *calls_object_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs)))
		return PyErr_Format(PyExc_TypeError, "Calls takes no arguments");
	CallsObject *self = (CallsObject *)type->tp_alloc(type, 0);
	if (self)
		self->core.look_at = UINT64_MAX;
	return (PyObject *)self;
}

static void calls_object_dealloc(CallsObject *self)
{
	calls_deinit(&self->core);
	PyBuffer_Release(&self->actions);
	PyBuffer_Release(&self->limits);
	Py_TYPE(self)->tp_free((PyObject *)self);
}

static bool get_mask(PyObject *item, struct call_mask *ret)
{
	unsigned long long bits, when_bits;

	if (!PyArg_ParseTuple(item, "IKIK", &ret->argument, &bits, &ret->when, &when_bits))
		return false;
	ret->bits = bits;
	ret->when_bits = when_bits;
	if (ret->argument < 6 && ret->when < 6)
		return true;
	PyErr_Format(PyExc_ValueError, "a call has no argument %u", ret->argument < 6 ? ret->when : ret->argument);
	return false;
}

/* (number, bits of enum call_lent, masks): answers whether there is a form of it. */
static PyObject *calls_object_lend(CallsObject *self, PyObject *args)
{
	struct call_row row = {0};
	PyObject *masks;
	unsigned number;

	if (!PyArg_ParseTuple(args, "IIO!", &number, &row.lent, &PyTuple_Type, &masks))
		return NULL;
	if (PyTuple_GET_SIZE(masks) > CALL_MASKS)
		return PyErr_Format(PyExc_ValueError, "more than %d masks", CALL_MASKS);
	for (; row.mask_count < PyTuple_GET_SIZE(masks); row.mask_count++)
		if (!get_mask(PyTuple_GET_ITEM(masks, row.mask_count), &row.masks[row.mask_count]))
			return NULL;
	if (calls_have(number))
		self->core.rows[number] = row;
	return PyBool_FromLong(calls_have(number));
}

/* (descriptor, the host's, kinds, mount): kinds 0: it is closed. */
static PyObject *calls_object_file(CallsObject *self, PyObject *args)
{
	struct call_file file;
	unsigned fd;

	if (!PyArg_ParseTuple(args, "IiII", &fd, &file.host, &file.kinds, &file.mount))
		return NULL;
	if (!calls_file(&self->core, fd, file))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

/* (host descriptor, kinds, mount) of the working directory. */
static PyObject *calls_object_set_cwd(CallsObject *self, PyObject *args)
{
	struct call_file *file = &self->core.cwd;

	if (!PyArg_ParseTuple(args, "iII", &file->host, &file->kinds, &file->mount))
		return NULL;
	Py_RETURN_NONE;
}

/* (host descriptor, kinds, mount) of the root, and what is mounted below: (name, host, kinds, mount) each. */
static PyObject *calls_object_set_root(CallsObject *self, PyObject *args)
{
	struct call_file *root = &self->core.root, file;
	const char *name;
	PyObject *mounted;

	if (!PyArg_ParseTuple(args, "iIIO!", &root->host, &root->kinds, &root->mount, &PyTuple_Type, &mounted))
		return NULL;
	self->core.mounted_count = 0;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mounted); i++) {
		if (!PyArg_ParseTuple(PyTuple_GET_ITEM(mounted, i), "yiII", &name, &file.host, &file.kinds, &file.mount))
			return NULL;
		calls_mounted(&self->core, name, file);
	}
	Py_RETURN_NONE;
}

/* What the program did to its descriptors since the last time: (kind, fd, host, from, is_dir, cloexec, path) each. */
static PyObject *calls_object_take_changes(CallsObject *self, PyObject *unused)
{
	struct calls *calls = &self->core;
	PyObject *found = PyTuple_New(calls->change_count);

	(void)unused;
	for (unsigned i = 0; found && i < calls->change_count; i++) {
		const struct call_change *change = &calls->changes[i];
		PyObject *each = Py_BuildValue("(iiiiNNy)", change->kind, change->fd, change->host, change->from,
					       PyBool_FromLong(change->is_dir), PyBool_FromLong(change->cloexec),
					       calls->text + change->text);
		if (each)
			PyTuple_SET_ITEM(found, i, each);
		else
			Py_CLEAR(found);
	}
	calls->change_count = calls->text_used = 0;
	return found;
}

static PyObject *calls_object_forget_files(CallsObject *self, PyObject *unused)
{
	(void)unused;
	calls_forget_files(&self->core);
	Py_RETURN_NONE;
}

static const struct {
	const char *name;
	unsigned value;
} kinds[] = {
	{"READ", CALL_READ}, {"WRITE", CALL_WRITE}, {"SEEK", CALL_SEEK}, {"AT", CALL_AT}, {"STAT", CALL_STAT},
	{"STREAM", CALL_STREAM}, {"SHARED", CALL_SHARED}, {"OUTSIDE", CALL_OUTSIDE}, {"EPOLL", CALL_EPOLL},
	{"POLL", CALL_POLL}, {"LIST", CALL_LIST}, {"KNOWN", CALL_KNOWN}, {"USED", CALL_USED}, {"BASE", CALL_BASE},
	{"FIXED", CALL_FIXED}, {"CLOEXEC", CALL_CLOEXEC}, {"OURS", CALL_OURS},
};

/* The numbers of enum call_kind, by name. */
static PyObject *calls_object_kinds(CallsObject *self, void *closure)
{
	PyObject *found = PyDict_New();

	(void)self;
	(void)closure;
	for (size_t i = 0; found && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		PyObject *value = PyLong_FromUnsignedLong(kinds[i].value);
		if (!value || PyDict_SetItemString(found, kinds[i].name, value) < 0)
			Py_CLEAR(found);
		Py_XDECREF(value);
	}
	return found;
}

static PyGetSetDef getters[] = {
	{"kinds", (getter)calls_object_kinds, NULL, "What may be done to a descriptor: name -> bit.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* (words, how many cuts they have room for): the memory of the files' times, which outlives all runs. */
static PyObject *calls_object_set_file_times(CallsObject *self, PyObject *args)
{
	unsigned long long cuts;
	Py_buffer words;

	if (!PyArg_ParseTuple(args, "w*K", &words, &cuts))
		return NULL;
	bool fits = (uint64_t)words.len / 8 > 2 * cuts;
	if (fits) {
		self->core.file_times = words.buf;
		self->core.file_cuts = cuts;
	}
	PyBuffer_Release(&words);
	if (!fits)
		return PyErr_Format(PyExc_ValueError, "no room for %llu cuts", cuts);
	Py_RETURN_NONE;
}

/* (actions, limits): what the process has; arrays of 64-bit words. */
static PyObject *calls_object_set_tables(CallsObject *self, PyObject *args)
{
	Py_buffer actions, limits;

	if (!PyArg_ParseTuple(args, "w*y*", &actions, &limits))
		return NULL;
	if (actions.len != 8 * CALL_ACTION_WORDS || limits.len != 8 * CALL_LIMIT_WORDS) {
		PyBuffer_Release(&actions);
		PyBuffer_Release(&limits);
		return PyErr_Format(PyExc_ValueError, "tables of other sizes");
	}
	PyBuffer_Release(&self->actions);
	PyBuffer_Release(&self->limits);
	self->actions = actions;
	self->limits = limits;
	self->core.actions = actions.buf;
	self->core.limits = limits.buf;
	Py_RETURN_NONE;
}

#define FLAG(name, text) {#name, T_BOOL, offsetof(CallsObject, core.name), 0, text}
#define NUMBER(name, text) {#name, T_ULONGLONG, offsetof(CallsObject, core.name), 0, text}

static PyMemberDef members[] = {
	FLAG(on, "Whether the task that runs may have its calls made here."),
	FLAG(counted, "Whether what the host holds for the program is counted."),
	FLAG(clock_is_host, "Whether time is the host's."),
	FLAG(alone, "Whether the machine has no other process."),
	FLAG(opens_noticed, "Whether somebody may wait for something to be opened."),
	FLAG(writes_watched, "Whether a write to a file has more to be seen to."),
	FLAG(memory_shared, "Whether a futex may be in memory that others see."),
	FLAG(hosts_shared, "Whether host descriptors may have other users."),
	FLAG(signal_files, "Whether there may be a signalfd."),
	FLAG(single, "Whether the process has one thread."),
	{"limit", T_UINT, offsetof(CallsObject, core.limit), 0, "Descriptors are lower numbers."},
	{"change_count", T_UINT, offsetof(CallsObject, core.change_count), READONLY, "Of take_changes."},
	NUMBER(passed, "Nanoseconds beside those of instructions."),
	NUMBER(idle, "Of them, those in which nothing was done."),
	NUMBER(monotonic, "CLOCK_MONOTONIC when nothing has passed and nothing is executed."),
	NUMBER(realtime, "CLOCK_REALTIME at that time."),
	NUMBER(call_ns, "Nanoseconds that a call takes."),
	NUMBER(look_at, "On the monotonic clock: the run ends after it."),
	NUMBER(turn_ends, "On the monotonic clock: from then on what other processes can tell is not made here."),
	NUMBER(made, "Calls that were made here since it was set to 0."),
	NUMBER(missed, "1 + a descriptor that nothing is known of, 0: none."),
	NUMBER(pid, "Of the task that runs."),
	NUMBER(tid, "Of the task that runs."),
	NUMBER(blocked, "Its signal mask."),
	NUMBER(pending, "The signals that are queued for it."),
	NUMBER(robust_list, "Of a single task."),
	NUMBER(clear_child_tid, "Of a single task."),
	{"take_turns", T_BOOL, offsetof(CallsObject, core.threads.on), 0, "Whether threads take turns here."},
	{"grace", T_UINT, offsetof(CallsObject, core.threads.grace), 0, "Slices that may still be prolonged in a row."},
	{"slice_end", T_ULONGLONG, offsetof(CallsObject, core.threads.slice_end), 0, "Of the thread that runs; monotonic."},
	{"next_event", T_ULONGLONG, offsetof(CallsObject, core.threads.next_event), 0, "When Python has to look; 0: at no time."},
	{"chance", T_ULONGLONG, offsetof(CallsObject, core.threads.chance), 0, "State of what makes slices long or short."},
	{"moved", T_ULONGLONG, offsetof(CallsObject, core.threads.moved), 0, "Changes that take_threads has not told."},
	{"maps_on", T_BOOL, offsetof(CallsObject, core.maps.on), 0, "Whether mappings may be made here."},
	{"maps_live", T_UINT, offsetof(CallsObject, core.maps.live), READONLY, "Mappings that take_maps has not told."},
	{"arena_next", T_ULONGLONG, offsetof(CallsObject, core.maps.next), READONLY, "What is lent of the arena is free from here on."},
	{"arena_end", T_ULONGLONG, offsetof(CallsObject, core.maps.pool_end), READONLY, "Up to here."},
	{NULL, 0, 0, 0, NULL},
};

#define METHOD(name, flags) {#name, (PyCFunction)(void (*)(void))calls_object_##name, flags, NULL}

static PyMethodDef methods[] = {
	METHOD(lend, METH_VARARGS),
	METHOD(file, METH_VARARGS),
	METHOD(forget_files, METH_NOARGS),
	METHOD(set_cwd, METH_VARARGS),
	METHOD(set_root, METH_VARARGS),
	METHOD(take_changes, METH_NOARGS),
	METHOD(set_tables, METH_VARARGS),
	METHOD(set_file_times, METH_VARARGS),
	METHOD(set_threads, METH_VARARGS),
	METHOD(take_threads, METH_NOARGS),
	METHOD(set_regions, METH_VARARGS),
	METHOD(lend_arena, METH_VARARGS),
	METHOD(take_maps, METH_NOARGS),
	{NULL, NULL, 0, NULL},
};

PyTypeObject glue_calls_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "uprobe_unicorn.native._glue.Calls",
	.tp_doc = "System calls that are made in C; see _glue.pyi.",
	.tp_basicsize = sizeof(CallsObject),
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_new = calls_object_new,
	.tp_dealloc = (destructor)calls_object_dealloc,
	.tp_methods = methods,
	.tp_members = members,
	.tp_getset = getters,
};

/* x0 to x5 and x8: a system call. */
PyObject *glue_object_call_registers(GlueObject *self, PyObject *unused)
{
	struct glue *core = &self->core;

	(void)unused;
	return Py_BuildValue("(KKKKKKK)", glue_reg(core, 0), glue_reg(core, 1), glue_reg(core, 2), glue_reg(core, 3),
			     glue_reg(core, 4), glue_reg(core, 5), glue_reg(core, 8));
}

PyObject *glue_object_get_reg(GlueObject *self, PyObject *index)
{
	unsigned long number = PyLong_AsUnsignedLong(index);

	if (PyErr_Occurred())
		return NULL;
	if (number > GLUE_PC)
		return PyErr_Format(PyExc_IndexError, "no register has number %lu", number);
	return PyLong_FromUnsignedLongLong(glue_reg(&self->core, (unsigned)number));
}

/* x0 */
PyObject *glue_object_set_result(GlueObject *self, PyObject *value)
{
	unsigned long long number = PyLong_AsUnsignedLongLong(value);

	if (PyErr_Occurred())
		return NULL;
	glue_set_reg(&self->core, 0, number);
	Py_RETURN_NONE;
}

/* From now on the calls object makes what it can; it lives as long as the glue. */
PyObject *glue_object_make_calls(GlueObject *self, PyObject *calls)
{
	if (!PyObject_TypeCheck(calls, &glue_calls_type))
		return PyErr_Format(PyExc_TypeError, "a Calls");
	Py_XSETREF(self->calls, Py_NewRef(calls));
	self->core.calls = &((CallsObject *)calls)->core;
	Py_RETURN_NONE;
}
