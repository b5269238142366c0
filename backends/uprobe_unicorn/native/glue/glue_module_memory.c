/* The Python binding of the glue: what the emulator is told of memory. */
#include "glue_module.h"

#include "fills.h"

static PyObject *add_extent(struct extents *extents, PyObject *args)
{
	unsigned long long start, end, physical;
	unsigned perms;

	if (!PyArg_ParseTuple(args, "KKKI", &start, &end, &physical, &perms))
		return NULL;
	if (start >= end || !extents_add(extents, (struct extent){start, end, physical, perms}))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

PyObject *glue_object_add_data(GlueObject *self, PyObject *args)
{
	return add_extent(&self->core.data, args);
}

PyObject *glue_object_add_code(GlueObject *self, PyObject *args)
{
	return add_extent(&self->core.code, args);
}

PyObject *glue_object_drop(GlueObject *self, PyObject *args)
{
	unsigned long long start, end;
	int kinds;	/* 1 data, 2 code */

	if (!PyArg_ParseTuple(args, "KKi", &start, &end, &kinds))
		return NULL;
	if (kinds & 1)
		extents_drop(&self->core.data, start, end);
	if (kinds & 2)
		extents_drop(&self->core.code, start, end);
	Py_RETURN_NONE;
}

PyObject *glue_object_flush(GlueObject *self, PyObject *args)
{
	unsigned long long start, end;

	if (!PyArg_ParseTuple(args, "KK", &start, &end))
		return NULL;
	glue_flush_range(&self->core, start, end);
	Py_RETURN_NONE;
}

PyObject *glue_object_forget_code(GlueObject *self, PyObject *args)
{
	unsigned long long start, end;

	if (!PyArg_ParseTuple(args, "KK", &start, &end))
		return NULL;
	glue_forget_translations(&self->core, start, end);
	Py_RETURN_NONE;
}
