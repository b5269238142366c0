/* The Python binding of the glue: samples, executed code. */
#include "glue_module.h"

#include <string.h>

#include "code_seen.h"
#include "samples.h"

static void call_sample(void *context, uint64_t block, uint64_t address)
{
	GlueObject *self = context;
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *answer = PyObject_CallFunction(self->sample, "KK", block, address);

	if (!answer)
		glue_object_keep_error(self);
	Py_XDECREF(answer);
	PyGILState_Release(state);
}

/* (instructions from one to the next, 0: no more; a site that they hit, 0: none; what is called with (block, address) then). */
PyObject *glue_object_begin_samples(GlueObject *self, PyObject *args)
{
	unsigned long long every, site;
	PyObject *sample;

	if (!PyArg_ParseTuple(args, "KKO", &every, &site, &sample))
		return NULL;
	Py_XSETREF(self->sample, Py_NewRef(sample));
	self->core.sample = call_sample;
	samples_begin(&self->core, every, (struct up_site *)(uintptr_t)site);
	Py_RETURN_NONE;
}

/* The instruction at the address, which the task is at, is done elsewhere. */
PyObject *glue_object_look_for_sample(GlueObject *self, PyObject *address)
{
	unsigned long long at = PyLong_AsUnsignedLongLong(address);

	if (PyErr_Occurred())
		return NULL;
	samples_look(&self->core, at);
	Py_RETURN_NONE;
}

PyObject *glue_object_hold_samples(GlueObject *self, PyObject *on)
{
	samples_hold(&self->core, on == Py_True);
	Py_RETURN_NONE;
}

/* --- executed code ------------------------------------------------------------------------------ */

PyObject *glue_object_watch_code(GlueObject *self, PyObject *unused)
{
	(void)unused;
	if (!self->core.seen && !code_seen_begin(&self->core))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

/*
 * Start and size of each block that begins in [start, end), and how often it was entered, as three 64-bit
 * numbers; they are forgotten.
 */
PyObject *glue_object_take_code(GlueObject *self, PyObject *args)
{
	struct code_seen *seen = self->core.seen;
	unsigned long long start, end;
	size_t count = 0, at = 0;

	if (!PyArg_ParseTuple(args, "KK", &start, &end))
		return NULL;
	if (seen && seen->keeper.full)
		return PyErr_NoMemory();
	while (seen && code_seen_next(seen, &at, start, end))
		count++;
	PyObject *packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * 3 * sizeof(uint64_t)));
	if (!packed)
		return NULL;
	char *to = PyBytes_AS_STRING(packed);
	for (at = 0; count; count--) {
		struct tally *block = code_seen_next(seen, &at, start, end);
		uint64_t row[3] = {block->pc, block->size, block->times};
		memcpy(to, row, sizeof(row));
		to += sizeof(row);
		block->times = 0;
	}
	return packed;
}
