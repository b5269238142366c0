/* last_resort.h for Python: functions of the module. */
#include "module.h"

#include "last_resort.h"

static PyObject *answer(bool done)
{
	if (!done)
		return PyErr_Format(PyExc_OSError, "no thread can be started");
	Py_RETURN_NONE;
}

static PyObject *end_in(PyObject *self, PyObject *args)
{
	double seconds;
	int status;
	const char *text;

	(void)self;
	if (!PyArg_ParseTuple(args, "dis", &seconds, &status, &text))
		return NULL;
	return answer(last_resort_in(seconds, status, text));
}

static PyObject *end_after(PyObject *self, PyObject *args)
{
	int number, times, status;
	double seconds;

	(void)self;
	if (!PyArg_ParseTuple(args, "iidi", &number, &times, &seconds, &status))
		return NULL;
	return PyBool_FromLong(last_resort_after(number, times, seconds, status));
}

static PyObject *end_never(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	last_resort_never();
	Py_RETURN_NONE;
}

PyMethodDef module_functions[] = {
	{"end_in", end_in, METH_VARARGS, NULL},
	{"end_after", end_after, METH_VARARGS, NULL},
	{"end_never", end_never, METH_NOARGS, NULL},
	{"last_words", module_last_words, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};
