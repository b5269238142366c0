/* The glue of a backend outside the project: it has registers of its own and brings hits to the engine. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "api.h"

static const struct up_api *api;
/* Register numbers are this backend's; its engine is told of them in Python. */
enum { FIRST = 3, LINK = 2, SP = 1, COUNT = 14 };
static uint64_t registers[COUNT];

static uint64_t reg(void *context, unsigned index)
{
	(void)context;
	return registers[index];
}

static size_t nothing(void *context, uint64_t address, void *ret, size_t size)
{
	(void)context;
	(void)address;
	(void)ret;
	(void)size;
	return 0;
}

static void set_reg(void *context, unsigned index, uint64_t value)
{
	(void)context;
	registers[index] = value;
}

static const struct up_source source = {NULL, registers, reg, NULL, nothing, set_reg, COUNT};

/* (capsule): refuses an engine of another layout. */
static PyObject *connect_to(PyObject *self, PyObject *capsule)
{
	(void)self;
	api = PyCapsule_GetPointer(capsule, UP_API_CAPSULE);
	if (!api)
		return NULL;
	if (api->abi != UP_ABI)
		return PyErr_Format(PyExc_ImportError, "layout %u, built for %u", api->abi, UP_ABI);
	Py_RETURN_NONE;
}

/* (site, first argument, sp, link register): the task arrives there; the address to watch for the return, or None. */
static PyObject *arrive(PyObject *self, PyObject *args)
{
	unsigned long long site, first, sp, link;
	uint64_t watch;

	(void)self;
	if (!PyArg_ParseTuple(args, "KKKK", &site, &first, &sp, &link))
		return NULL;
	registers[FIRST] = first;
	registers[SP] = sp;
	registers[LINK] = link;
	if (api->site_hit((struct up_site *)(uintptr_t)site, &source, &watch))
		return PyLong_FromUnsignedLongLong(watch);
	Py_RETURN_NONE;
}

/* (engine, address): the task is there, behind its call. */
static PyObject *come_back(PyObject *self, PyObject *args)
{
	unsigned long long engine, address;

	(void)self;
	if (!PyArg_ParseTuple(args, "KK", &engine, &address))
		return NULL;
	return PyBool_FromLong(api->return_hit((struct up_engine *)(uintptr_t)engine, &source, address));
}

static PyMethodDef functions[] = {
	{"connect", connect_to, METH_O, NULL},
	{"arrive", arrive, METH_VARARGS, NULL},
	{"come_back", come_back, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "outside_glue", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit_outside_glue(void)
{
	return PyModule_Create(&module);
}
