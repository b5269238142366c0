/* The Python binding of the glue: samples. */
#include "glue_module.h"

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
