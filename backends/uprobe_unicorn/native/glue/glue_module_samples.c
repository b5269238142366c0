/* The Python binding of the glue: samples, executed code. */
#include "glue_module.h"

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

/* Start and size of each block, as pairs of 64-bit numbers; they are forgotten. */
PyObject *glue_object_take_code(GlueObject *self, PyObject *unused)
{
	struct code_seen *seen = self->core.seen;

	(void)unused;
	if (!seen)
		return PyBytes_FromStringAndSize(NULL, 0);
	if (seen->full)
		return PyErr_NoMemory();
	PyObject *packed = PyBytes_FromStringAndSize((const char *)seen->blocks,
						     (Py_ssize_t)(seen->count * sizeof(*seen->blocks)));
	if (packed)
		code_seen_clear(seen);
	return packed;
}

/* A fault at the address ended the block that was met last, if it is in that one; answers whether it is. */
PyObject *glue_object_cut_code(GlueObject *self, PyObject *address)
{
	unsigned long long pc = PyLong_AsUnsignedLongLong(address);

	if (PyErr_Occurred())
		return NULL;
	return PyBool_FromLong(self->core.seen && code_seen_cut(self->core.seen, pc));
}
