/* The Python object of system calls: mappings; uprobe_linux.syscalls.own_maps is its only user. */
#include "glue_module.h"

#include <string.h>

/* (bytes of pairs of 64-bit words, lowest, highest): what is mapped, sorted, and where mappings may lie; answers whether it fits. */
PyObject *calls_object_set_regions(CallsObject *self, PyObject *args)
{
	struct call_maps *maps = &self->core.maps;
	unsigned long long lowest, highest;
	Py_buffer pairs;

	if (!PyArg_ParseTuple(args, "y*KK", &pairs, &lowest, &highest))
		return NULL;
	size_t count = (size_t)pairs.len / sizeof(*maps->regions);
	bool fits = count <= CALL_REGIONS;
	if (fits)
		memcpy(maps->regions, pairs.buf, count * sizeof(*maps->regions));
	maps->region_count = fits ? (unsigned)count : 0;
	maps->lowest = lowest;
	maps->highest = highest;
	PyBuffer_Release(&pairs);
	return PyBool_FromLong(fits);
}

/* (start, end) of a free part of the arena, in place of what is left of the last. */
PyObject *calls_object_lend_arena(CallsObject *self, PyObject *args)
{
	struct call_maps *maps = &self->core.maps;
	unsigned long long start, end;

	if (!PyArg_ParseTuple(args, "KK", &start, &end))
		return NULL;
	maps->pool = maps->next = maps->dirty = start;
	maps->pool_end = end;
	Py_RETURN_NONE;
}

static PyObject *row_of(const struct call_map *made)
{
	const int64_t *stamp = made->stamp;

	return Py_BuildValue("(KKKIiKNN(LLLLL))", made->start, made->end, made->physical, made->perms, made->host,
			     made->offset, PyBool_FromLong(made->writable), PyBool_FromLong(made->filled),
			     (long long)stamp[0], (long long)stamp[1], (long long)stamp[2], (long long)stamp[3],
			     (long long)stamp[4]);
}

/* What was mapped and is Python's from now on: ((number, row) each, start and end of the arena that it lies in). */
PyObject *calls_object_take_maps(CallsObject *self, PyObject *unused)
{
	struct call_maps *maps = &self->core.maps;
	PyObject *found = PyDict_New();

	(void)unused;
	for (unsigned i = 0; found && i < CALL_MAPS; i++) {
		if (!maps->made[i].end)
			continue;
		PyObject *number = PyLong_FromUnsignedLong(i), *row = row_of(&maps->made[i]);
		if (!number || !row || PyDict_SetItem(found, number, row) < 0)
			Py_CLEAR(found);
		Py_XDECREF(number);
		Py_XDECREF(row);
	}
	if (!found)
		return NULL;
	memset(maps->made, 0, sizeof(maps->made));
	maps->live = 0;
	PyObject *ret = Py_BuildValue("(NKK)", found, maps->pool, maps->next);
	maps->pool = maps->next;
	return ret;
}
