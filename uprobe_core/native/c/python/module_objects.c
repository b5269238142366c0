/*
 * The Python binding: objects of the engine, by number.  They live until the
 * Engine does, so that a call that is pending may refer to any of them.
 */
#include "module.h"

#include <stdlib.h>

/* --- tables of objects ------------------------------------------------------------- */

void *table_add(struct table *table, size_t size)
{
	if (table->count == table->capacity) {
		unsigned capacity = table->capacity ? 2 * table->capacity : 16;
		void **items = realloc(table->items, capacity * sizeof(*items));
		if (!items)
			return PyErr_NoMemory();
		table->items = items;
		table->capacity = capacity;
	}
	void *item = calloc(1, size);
	if (!item)
		return PyErr_NoMemory();
	table->items[table->count++] = item;
	return item;
}

void *table_get(const struct table *table, Py_ssize_t index, const char *what)
{
	if (index >= 0 && index < (Py_ssize_t)table->count)
		return table->items[index];
	if (!PyErr_Occurred())
		PyErr_Format(PyExc_IndexError, "no %s has number %zd", what, index);
	return NULL;
}

/* The objects of a sequence of numbers; *ret is malloc'ed. */
static bool table_pick(const struct table *table, PyObject *numbers, const char *what, void ***ret,
		       unsigned *count_ret)
{
	PyObject *fast = PySequence_Fast(numbers, "a sequence of numbers is wanted");

	if (!fast)
		return false;
	Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
	void **items = malloc((size_t)(count ? count : 1) * sizeof(*items));
	for (Py_ssize_t i = 0; items && i < count; i++) {
		items[i] = table_get(table, PyLong_AsSsize_t(PySequence_Fast_GET_ITEM(fast, i)), what);
		if (!items[i]) {
			free(items);
			Py_DECREF(fast);
			return false;
		}
	}
	Py_DECREF(fast);
	if (!items)
		return PyErr_NoMemory() != NULL;
	*ret = items;
	*count_ret = (unsigned)count;
	return true;
}

PyObject *engine_refuse(const char *what)
{
	PyErr_Format(PyExc_ValueError, "%s cannot run natively", what);
	return NULL;
}

/* --- programs and probes ------------------------------------------------------------------ */

PyObject *engine_add_probe(EngineObject *self, PyObject *args)
{
	Py_buffer program, capture;
	unsigned room;
	int is_return, chain = -1;
	unsigned char votes = UP_VOTES_ALONE;

	if (!PyArg_ParseTuple(args, "y*Iy*p|ib", &program, &room, &capture, &is_return, &chain, &votes))
		return NULL;
	struct up_probe *probe = table_add(&self->probes, sizeof(*probe));
	bool done = probe && up_program_init(&probe->program, program.buf, (size_t)program.len, room) &&
		    up_program_init(&probe->capture, capture.buf, (size_t)capture.len, 0);
	PyBuffer_Release(&program);
	PyBuffer_Release(&capture);
	if (!probe)
		return NULL;
	if (!done || up_program_entries(&probe->program) > probe->capture.cells)
		return engine_refuse("the probe");
	probe->is_return = is_return;
	probe->chain = chain < 0 ? 0 : (uint32_t)chain + 1;
	probe->votes = votes;
	if (!up_engine_reserve(&self->core, probe->program.cells))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLong(self->probes.count - 1);
}

static bool all_fit(void **actions, unsigned count, const struct up_program *program)
{
	for (unsigned i = 0; i < count; i++)
		if (!up_action_fits(actions[i], program))
			return false;
	return true;
}

PyObject *engine_set_probe(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	int enabled, wants_returns;
	PyObject *entry, *leave;
	Py_buffer tests, texts;
	struct up_filter filter;
	void **entry_actions, **return_actions;

	if (!PyArg_ParseTuple(args, "nppOOy*y*", &number, &enabled, &wants_returns, &entry, &leave, &tests, &texts))
		return NULL;
	struct up_probe *probe = table_get(&self->probes, number, "probe");
	bool usable = probe && up_filter_init(&filter, tests.buf, (size_t)tests.len, texts.buf,
					      (size_t)texts.len, &probe->program);
	PyBuffer_Release(&tests);
	PyBuffer_Release(&texts);
	if (!usable)
		return probe ? engine_refuse("the filter") : NULL;
	unsigned entry_count, return_count;
	if (!table_pick(&self->actions, entry, "action", &entry_actions, &entry_count)) {
		up_filter_deinit(&filter);
		return NULL;
	}
	if (!table_pick(&self->actions, leave, "action", &return_actions, &return_count)) {
		free(entry_actions);
		up_filter_deinit(&filter);
		return NULL;
	}
	if (!all_fit(entry_actions, entry_count, &probe->program) ||
	    !all_fit(return_actions, return_count, &probe->program)) {
		free(entry_actions);
		free(return_actions);
		up_filter_deinit(&filter);
		return engine_refuse("an action over these arguments");
	}
	free(probe->entry_actions);
	free(probe->return_actions);
	up_filter_deinit(&probe->filter);
	probe->enabled = enabled;
	probe->wants_returns = wants_returns;
	probe->filter = filter;
	probe->has_filter = filter.count != 0;
	probe->entry_actions = (struct up_action **)entry_actions;
	probe->return_actions = (struct up_action **)return_actions;
	probe->entry_count = entry_count;
	probe->return_count = return_count;
	for (unsigned i = 0; i < self->sites.count; i++)
		up_site_prepare(self->sites.items[i]);
	Py_RETURN_NONE;
}

PyObject *engine_take_probe(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;

	if (!PyArg_ParseTuple(args, "n", &number))
		return NULL;
	struct up_probe *probe = table_get(&self->probes, number, "probe");
	if (!probe)
		return NULL;
	PyObject *result = Py_BuildValue("KKKKKKKK", probe->hits, probe->entries, probe->returns,
					 probe->missed[UP_MISSED_LONGJMP], probe->missed[UP_MISSED_EXEC],
					 probe->missed[UP_MISSED_EXIT], probe->missed[UP_MISSED_DEPTH],
					 probe->missed[UP_MISSED_NO_CALLER]);
	probe->hits = probe->entries = probe->returns = 0;
	memset(probe->missed, 0, sizeof(probe->missed));
	return result;
}

/* --- actions ------------------------------------------------------------------------------- */

PyObject *engine_add_action(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	unsigned kind, hist, sink;
	unsigned long long parameter;
	Py_buffer keys, value, tests, texts;

	if (!PyArg_ParseTuple(args, "nIIKIy*y*y*y*", &number, &kind, &hist, &parameter, &sink, &keys, &value,
			      &tests, &texts))
		return NULL;
	struct up_probe *probe = table_get(&self->probes, number, "probe");
	struct up_action *action = probe ? table_add(&self->actions, sizeof(*action)) : NULL;
	bool usable = action && kind <= UP_CALL && hist <= UP_SUB && keys.len % sizeof(struct up_field) == 0 &&
		      keys.len / sizeof(struct up_field) <= UP_MAX_KEY &&
		      value.len == sizeof(struct up_field);
	if (usable) {
		action->kind = (uint8_t)kind;
		action->hist = (uint8_t)hist;
		action->parameter = parameter;
		action->sink = sink;
		action->engine = &self->core;
		action->keys = (uint8_t)(keys.len / sizeof(struct up_field));
		memcpy(action->key, keys.buf, (size_t)keys.len);
		memcpy(&action->value, value.buf, (size_t)value.len);
		usable = up_filter_init(&action->filter, tests.buf, (size_t)tests.len, texts.buf,
					(size_t)texts.len, &probe->program);
		action->has_filter = action->filter.count != 0;
		usable = usable && up_action_fits(action, &probe->program);
		usable = usable && up_map_init(&action->map, kind == UP_SUM);
	}
	PyBuffer_Release(&keys);
	PyBuffer_Release(&value);
	PyBuffer_Release(&tests);
	PyBuffer_Release(&texts);
	if (!usable)
		return action ? engine_refuse("the action") : NULL;
	return PyLong_FromUnsignedLong(self->actions.count - 1);
}

static PyObject *entry_tuple(const struct up_map *map, uint32_t index)
{
	const struct up_entry *entry = &map->entries[index];
	const void *stat = map->with_stats ? &map->stats[index] : NULL;

	return Py_BuildValue("Ky#Ky#", entry->order, map->keys + entry->key_at, (Py_ssize_t)entry->key_size,
			     entry->count, stat, (Py_ssize_t)(stat ? sizeof(struct up_stat) : 0));
}

/* What was found since the last time: (total, lost, [(order, key, count, stat), ...]). */
PyObject *engine_take_action(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;

	if (!PyArg_ParseTuple(args, "n", &number))
		return NULL;
	struct up_action *action = table_get(&self->actions, number, "action");
	PyObject *entries = action ? PyList_New(0) : NULL;
	if (!entries)
		return NULL;
	for (uint32_t i = 0; i < action->map.count; i++) {
		PyObject *entry = action->map.entries[i].count ? entry_tuple(&action->map, i) : NULL;
		if (entry ? PyList_Append(entries, entry) : PyErr_Occurred() != NULL) {
			Py_XDECREF(entry);
			Py_DECREF(entries);
			return NULL;
		}
		Py_XDECREF(entry);
	}
	PyObject *result = Py_BuildValue("KKN", action->total, action->lost, entries);
	action->total = action->lost = 0;
	up_map_zero(&action->map);
	return result;
}

PyObject *engine_limit_keys(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	unsigned limit;

	if (!PyArg_ParseTuple(args, "nI", &number, &limit))
		return NULL;
	struct up_action *action = table_get(&self->actions, number, "action");
	if (!action)
		return NULL;
	action->map.limit = limit;
	Py_RETURN_NONE;
}

/* --- sites --------------------------------------------------------------------------- */

PyObject *engine_add_site(EngineObject *self, PyObject *args)
{
	unsigned long long address, offset;
	PyObject *numbers;
	void **probes;
	unsigned count;

	if (!PyArg_ParseTuple(args, "KKO", &address, &offset, &numbers))
		return NULL;
	if (!table_pick(&self->probes, numbers, "probe", &probes, &count))
		return NULL;
	struct up_site *site = count <= UP_MAX_PROBES ? table_add(&self->sites, sizeof(*site)) : NULL;
	if (!site) {
		free(probes);
		return count <= UP_MAX_PROBES ? NULL : engine_refuse("so many probes at one site");
	}
	site->address = address;
	site->file_offset = offset;
	site->engine = &self->core;
	site->probes = (struct up_probe **)probes;
	site->count = count;
	up_site_prepare(site);
	return PyLong_FromUnsignedLong(self->sites.count - 1);
}

PyObject *engine_site_pointer(EngineObject *self, PyObject *number)
{
	struct up_site *site = table_get(&self->sites, PyLong_AsSsize_t(number), "site");

	return site ? PyLong_FromVoidPtr(site) : NULL;
}

