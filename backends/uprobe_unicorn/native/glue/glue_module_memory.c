/* The Python binding of the glue: what the emulator is told of memory. */
#include "glue_module.h"

#include "aborting.h"
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
	if (kinds & 1) {
		extents_drop(&self->core.data, start, end);
		extents_drop(&self->core.kept, start, end);
	}
	if (kinds & 2)
		extents_drop(&self->core.code, start, end);
	Py_RETURN_NONE;
}

PyObject *glue_object_make_stores(GlueObject *self, PyObject *args)
{
	unsigned long long page, physical;
	uint64_t ranges[MOST_WATCHED][2];
	PyObject *watched;

	if (!PyArg_ParseTuple(args, "KKO!", &page, &physical, &PyTuple_Type, &watched))
		return NULL;
	Py_ssize_t count = PyTuple_GET_SIZE(watched);
	for (Py_ssize_t i = 0; i < count && i < MOST_WATCHED; i++) {
		unsigned long long start, end;
		if (!PyArg_ParseTuple(PyTuple_GET_ITEM(watched, i), "KK", &start, &end))
			return NULL;
		ranges[i][0] = start;
		ranges[i][1] = end;
	}
	return PyBool_FromLong(stores_keep(&self->core, page, physical, ranges, (unsigned)count));
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

PyObject *module_aborting_offsets(PyObject *self, PyObject *code)
{
	PyObject *found = PyList_New(0);
	Py_buffer buffer;

	(void)self;
	if (!found || PyObject_GetBuffer(code, &buffer, PyBUF_SIMPLE) < 0) {
		Py_XDECREF(found);
		return NULL;
	}
	size_t size = (size_t)buffer.len & ~(size_t)3;
	for (size_t at = aborting_offset(buffer.buf, 0, size); found && at < size;
	     at = aborting_offset(buffer.buf, at + 4, size)) {
		PyObject *offset = PyLong_FromSize_t(at);
		if (!offset || PyList_Append(found, offset) < 0)
			Py_CLEAR(found);
		Py_XDECREF(offset);
	}
	PyBuffer_Release(&buffer);
	return found;
}
