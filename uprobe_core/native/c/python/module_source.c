/*
 * The Python binding: hits of a task that is seen through Python, for tests and backends without glue.
 */
#include "module.h"

#include <string.h>

struct python_source {
	PyObject *hit;
	EngineObject *engine;
	bool failed;
};

static uint64_t python_number(struct python_source *self, const char *method, unsigned index)
{
	PyObject *task = self->failed ? NULL : PyObject_GetAttrString(self->hit, "task");
	PyObject *value = task ? PyObject_CallMethod(task, method, "I", index) : NULL;
	uint64_t number = value ? PyLong_AsUnsignedLongLongMask(value) : 0;

	if (!value || PyErr_Occurred())
		self->failed = true;
	Py_XDECREF(task);
	Py_XDECREF(value);
	return number;
}

static uint64_t python_reg(void *context, unsigned index)
{
	return python_number(context, "get_reg", index);
}

static uint64_t python_vector(void *context, unsigned index)
{
	return python_number(context, "get_vec", index);
}

/* After a MemoryFault: how many bytes lie before its address. */
static size_t before_fault(struct python_source *self, uint64_t address, size_t size)
{
	PyObject *type, *value, *trace;
	uint64_t fault = address;

	if (!PyErr_ExceptionMatches(self->engine->fault_type)) {
		self->failed = true;
		return 0;
	}
	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	PyObject *where = value ? PyObject_GetAttrString(value, "address") : NULL;
	if (where)
		fault = PyLong_AsUnsignedLongLongMask(where);
	PyErr_Clear();
	Py_XDECREF(where);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	return fault - address < size ? (size_t)(fault - address) : 0;
}

static size_t python_read(void *context, uint64_t address, void *ret, size_t size)
{
	struct python_source *self = context;

	if (self->failed || !size)
		return 0;
	PyObject *process = PyObject_GetAttrString(self->hit, "process");
	PyObject *data =
		process ? PyObject_CallMethod(process, "read", "Kn", address, (Py_ssize_t)size) : NULL;
	Py_XDECREF(process);
	if (!data) {
		size_t before = before_fault(self, address, size);
		return before ? python_read(context, address, ret, before) : 0;
	}
	char *bytes;
	Py_ssize_t length;
	if (PyBytes_AsStringAndSize(data, &bytes, &length) < 0 || (size_t)length != size) {
		self->failed = true;
		length = 0;
	}
	memcpy(ret, bytes, (size_t)length);
	Py_DECREF(data);
	return (size_t)length;
}

static void python_set_reg(void *context, unsigned index, uint64_t value)
{
	struct python_source *self = context;
	PyObject *task = self->failed ? NULL : PyObject_GetAttrString(self->hit, "task");
	PyObject *result = task ? PyObject_CallMethod(task, "set_reg", "IK", index, value) : NULL;

	if (!result)
		self->failed = true;
	Py_XDECREF(task);
	Py_XDECREF(result);
}

static struct up_source source_of(struct python_source *context)
{
	return (struct up_source){context, NULL, python_reg, python_vector, python_read, python_set_reg, 0};
}

PyObject *engine_fetch(EngineObject *self, PyObject *args)
{
	Py_buffer packed;
	unsigned room;
	PyObject *hit_object, *result = NULL;
	struct up_program program;
	unsigned long long address, offset, latency, insns;
	struct up_hit hit;

	if (!PyArg_ParseTuple(args, "y*IOKKKK", &packed, &room, &hit_object, &address, &offset, &latency,
			      &insns))
		return NULL;
	enum up_made made = up_program_init(&program, &self->core.registers, packed.buf, (size_t)packed.len, room);
	PyBuffer_Release(&packed);
	if (made != UP_MADE)
		return engine_unmade(made, "the program");
	struct python_source context = {hit_object, self, false};
	struct up_source source = source_of(&context);
	if (up_engine_reserve(&self->core, program.cells)) {
		up_hit_init(&hit, &source, &self->core);
		hit.program = &program;
		hit.address = address;
		hit.pc = source.reg(&context, self->core.registers.pc);
		hit.file_offset = offset;
		hit.latency = latency;
		hit.insns = insns;
		up_fetch_all(&hit);
		if (!context.failed)
			result = Py_BuildValue("y#y#", hit.cells,
					       (Py_ssize_t)(program.cells * sizeof(uint64_t)), hit.area,
					       (Py_ssize_t)(hit.texts_done ? hit.area_size : 0));
	}
	up_program_deinit(&program);
	return result;
}

PyObject *engine_hit(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	PyObject *hit;
	uint64_t watch = 0;

	if (!PyArg_ParseTuple(args, "nO", &number, &hit))
		return NULL;
	struct up_site *site = table_get(&self->sites, number, "site");
	if (!site)
		return NULL;
	struct python_source context = {hit, self, false};
	struct up_source source = source_of(&context);
	bool watching = up_site_hit(site, &source, &watch);
	if (context.failed)
		return NULL;
	if (watching)
		return PyLong_FromUnsignedLongLong(watch);
	Py_RETURN_NONE;
}

PyObject *engine_return_hit(EngineObject *self, PyObject *args)
{
	unsigned long long address;
	PyObject *hit;

	if (!PyArg_ParseTuple(args, "KO", &address, &hit))
		return NULL;
	struct python_source context = {hit, self, false};
	struct up_source source = source_of(&context);
	up_return_hit(&self->core, &source, address);
	if (context.failed)
		return NULL;
	Py_RETURN_NONE;
}

/* The task of hit is at the trampoline; answers whether a call of it was pending. */
PyObject *engine_trampoline_hit(EngineObject *self, PyObject *hit)
{
	struct python_source context = {hit, self, false};
	struct up_source source = source_of(&context);
	bool found = up_trampoline_hit(&self->core, &source);

	return context.failed ? NULL : PyBool_FromLong(found);
}
