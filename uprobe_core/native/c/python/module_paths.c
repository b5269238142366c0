/* Paths of calls as Python asks for them. */
#include "module.h"

/* Paths of calls are followed from now on, and at most so many different ones. */
PyObject *engine_follow_paths(EngineObject *self, PyObject *args)
{
	unsigned limit;

	if (!PyArg_ParseTuple(args, "I", &limit))
		return NULL;
	if (!self->core.follows_paths || limit > self->core.paths.limit)
		self->core.paths.limit = limit;
	self->core.follows_paths = true;
	Py_RETURN_NONE;
}

/* The places of a path, the innermost first. */
PyObject *engine_path(EngineObject *self, PyObject *args)
{
	const struct up_map *map = &self->core.paths;
	PyObject *places = PyList_New(0);
	unsigned number;

	if (!PyArg_ParseTuple(args, "I", &number))
		Py_CLEAR(places);
	while (places && number && number <= map->count) {
		uint64_t key;
		memcpy(&key, map->keys + map->entries[number - 1].key_at, sizeof(key));
		number = (unsigned)(key >> 32);
		PyObject *place = PyLong_FromUnsignedLongLong(key & UINT32_MAX);
		if (!place || PyList_Append(places, place))
			Py_CLEAR(places);
		Py_XDECREF(place);
	}
	return places;
}

/* Of the call that returns, the number of its path; 0: none is known. */
PyObject *engine_returning(EngineObject *self, void *closure)
{
	const struct up_call *call = self->core.returning;

	(void)closure;
	return PyLong_FromUnsignedLong(call && call->path != UP_PATH_LOST ? call->path : 0);
}
