/*
 * The Python binding: objects of the engine, by number.  They live until the
 * Engine does, so that a call that is pending may refer to any of them.
 */
#include "module.h"

#include "allocate.h"

/* --- tables of objects ------------------------------------------------------------- */

void *table_add(struct table *table, size_t size)
{
	if (table->count == table->capacity) {
		unsigned capacity = table->capacity ? 2 * table->capacity : 16;
		void **items = up_reallocate(table->items, capacity * sizeof(*items));
		if (!items)
			return PyErr_NoMemory();
		table->items = items;
		table->capacity = capacity;
	}
	void *item = up_allocate_zeroed(1, size);
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
	void **items = up_allocate((size_t)(count ? count : 1) * sizeof(*items));
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

PyObject *engine_unmade(enum up_made made, const char *what)
{
	return made == UP_NO_MEMORY ? PyErr_NoMemory() : engine_refuse(what);
}

/* --- programs and probes ------------------------------------------------------------------ */

/* Of an entry event, what is kept of an entry are its own values: the program of its returns has them. */
static enum up_made give_values(struct up_probe *probe, const struct up_registers *registers,
				const Py_buffer *program, unsigned room)
{
	if (probe->is_return || !probe->capture.count)
		return UP_MADE;
	if (probe->capture.count != probe->program.count || probe->capture.cells != probe->program.cells)
		return UP_REFUSED;
	enum up_made made = up_program_init(&probe->returned, registers, program->buf, (size_t)program->len, room);
	if (made == UP_MADE)
		up_program_give(&probe->returned);
	return made;
}

static enum up_made make_programs(struct up_probe *probe, const struct up_registers *registers,
				  const Py_buffer *program, unsigned room, const Py_buffer *capture,
				  unsigned capture_room)
{
	enum up_made made = up_program_init(&probe->program, registers, program->buf, (size_t)program->len, room);

	if (made == UP_MADE)
		made = up_program_init(&probe->capture, registers, capture->buf, (size_t)capture->len, capture_room);
	if (made == UP_MADE)
		made = give_values(probe, registers, program, room);
	return made != UP_MADE || up_program_finds(&probe->program, &probe->capture) ? made : UP_REFUSED;
}

PyObject *engine_add_probe(EngineObject *self, PyObject *args)
{
	Py_buffer program, capture;
	unsigned room, capture_room;
	int is_return, chain = -1;
	unsigned char votes = UP_VOTES_ALONE;

	if (!PyArg_ParseTuple(args, "y*Iy*Ip|ib", &program, &room, &capture, &capture_room, &is_return, &chain, &votes))
		return NULL;
	struct up_probe *probe = table_add(&self->probes, sizeof(*probe));
	enum up_made made = UP_REFUSED;
	if (probe) {
		probe->is_return = is_return;
		made = make_programs(probe, &self->core.registers, &program, room, &capture, capture_room);
	}
	PyBuffer_Release(&program);
	PyBuffer_Release(&capture);
	if (!probe)
		return NULL;
	if (made != UP_MADE)
		return engine_unmade(made, "the probe");
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

/* What a probe does, while it is put together. */
struct doing {
	struct up_filter filter;
	void **entry, **leave;
	unsigned entry_count, leave_count;
};

static void doing_deinit(struct doing *self)
{
	up_filter_deinit(&self->filter);
	free(self->entry);
	free(self->leave);
}

static bool doing_init(struct doing *self, EngineObject *engine, const struct up_probe *probe, PyObject *entry,
		       PyObject *leave, const Py_buffer *tests, const Py_buffer *texts)
{
	enum up_made made = up_filter_init(&self->filter, tests->buf, (size_t)tests->len, texts->buf,
					   (size_t)texts->len, &probe->program);

	if (made != UP_MADE)
		return engine_unmade(made, "the filter") != NULL;
	if (!table_pick(&engine->actions, entry, "action", &self->entry, &self->entry_count) ||
	    !table_pick(&engine->actions, leave, "action", &self->leave, &self->leave_count))
		return false;
	return (all_fit(self->entry, self->entry_count, &probe->program) &&
		all_fit(self->leave, self->leave_count, &probe->program)) ||
	       engine_refuse("an action over these arguments") != NULL;
}

PyObject *engine_set_probe(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	int enabled, wants_returns;
	PyObject *entry, *leave;
	Py_buffer tests, texts;
	struct doing doing = {.entry = NULL};

	if (!PyArg_ParseTuple(args, "nppOOy*y*", &number, &enabled, &wants_returns, &entry, &leave, &tests, &texts))
		return NULL;
	struct up_probe *probe = table_get(&self->probes, number, "probe");
	bool usable = probe && doing_init(&doing, self, probe, entry, leave, &tests, &texts);
	PyBuffer_Release(&tests);
	PyBuffer_Release(&texts);
	if (!usable) {
		doing_deinit(&doing);
		return NULL;
	}
	struct doing before = {probe->filter, (void **)probe->entry_actions, (void **)probe->return_actions, 0, 0};
	doing_deinit(&before);
	probe->enabled = enabled;
	probe->wants_returns = wants_returns;
	probe->filter = doing.filter;
	probe->has_filter = doing.filter.count != 0;
	probe->entry_actions = (struct up_action **)doing.entry;
	probe->return_actions = (struct up_action **)doing.leave;
	probe->entry_count = doing.entry_count;
	probe->return_count = doing.leave_count;
	for (unsigned i = 0; i < probe->site_count; i++)
		up_site_prepare(probe->sites[i]);
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
	PyObject *result = PyTuple_New(3 + UP_MISSED_KINDS);
	const uint64_t seen[3] = {probe->hits, probe->entries, probe->returns};
	for (Py_ssize_t i = 0; result && i < 3 + UP_MISSED_KINDS; i++) {
		PyObject *count = PyLong_FromUnsignedLongLong(i < 3 ? seen[i] : probe->missed[i - 3]);
		if (!count)
			Py_CLEAR(result);
		else
			PyTuple_SET_ITEM(result, i, count);
	}
	if (!result)
		return NULL;
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
	enum up_made made = UP_REFUSED;
	if (action && kind <= UP_GRAPH && hist <= UP_SUB && keys.len % sizeof(struct up_field) == 0 &&
	    keys.len / sizeof(struct up_field) <= UP_MAX_KEY && value.len == sizeof(struct up_field)) {
		*action = (struct up_action){.kind = (uint8_t)kind, .hist = (uint8_t)hist, .parameter = parameter,
					     .sink = sink, .engine = &self->core,
					     .keys = (uint8_t)(keys.len / sizeof(struct up_field))};
		memcpy(action->key, keys.buf, (size_t)keys.len);
		memcpy(&action->value, value.buf, (size_t)value.len);
		made = up_filter_init(&action->filter, tests.buf, (size_t)tests.len, texts.buf, (size_t)texts.len,
				      &probe->program);
		action->has_filter = action->filter.count != 0;
	}
	PyBuffer_Release(&keys);
	PyBuffer_Release(&value);
	PyBuffer_Release(&tests);
	PyBuffer_Release(&texts);
	if (!action)
		return NULL;
	if (made != UP_MADE || !up_action_fits(action, &probe->program))
		return engine_unmade(made, "the action");
	if (!up_map_init(&action->map, up_action_has_stats(action)))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLong(self->actions.count - 1);
}

static PyObject *entry_tuple(const struct up_map *map, uint32_t index)
{
	const struct up_entry *entry = &map->entries[index];
	const void *stat = map->with_stats ? &map->stats[index] : NULL;

	return Py_BuildValue("Ky#Ky#K", entry->order, map->keys + entry->key_at, (Py_ssize_t)entry->key_size,
			     entry->count, stat, (Py_ssize_t)(stat ? sizeof(struct up_stat) : 0), entry->high);
}

/* What was found since the last time: (total, lost, [(order, key, count, stat, longest latency), ...]). */
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

/* (action, calls, frames of their stacks): a histogram of latencies keeps the slowest calls in its sink. */
PyObject *engine_keep_slowest(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	unsigned calls, depth;

	if (!PyArg_ParseTuple(args, "nII", &number, &calls, &depth))
		return NULL;
	struct up_action *action = table_get(&self->actions, number, "action");
	if (!action)
		return NULL;
	if (action->value.source != UP_FIELD_LATENCY || action->top.room || !calls || calls > UP_MAX_SLOWEST || depth > UP_STACK_MAX)
		return engine_refuse("such a list of the slowest calls");
	if (!up_top_init(&action->top, calls))
		return PyErr_NoMemory();
	action->depth = (uint16_t)depth;
	Py_RETURN_NONE;
}

/* --- sites --------------------------------------------------------------------------- */

/* Room for one more site of each of its probes, so that they can be told of it. */
static bool reserve_sites(struct up_probe **probes, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct up_probe *probe = probes[i];
		if (probe->site_count + count <= probe->site_room)
			continue;
		unsigned room = 2 * probe->site_room + count;
		struct up_site **sites = up_reallocate(probe->sites, room * sizeof(struct up_site *));
		if (!sites)
			return false;
		probe->sites = sites;
		probe->site_room = room;
	}
	return true;
}

PyObject *engine_add_site(EngineObject *self, PyObject *args)
{
	unsigned long long address, offset;
	PyObject *numbers;
	void **probes;
	unsigned count, place = 0;

	if (!PyArg_ParseTuple(args, "KKO|I", &address, &offset, &numbers, &place))
		return NULL;
	if (!table_pick(&self->probes, numbers, "probe", &probes, &count))
		return NULL;
	struct up_site *site = NULL;
	if (count > UP_MAX_PROBES)
		engine_refuse("so many probes at one site");
	else if (!reserve_sites((struct up_probe **)probes, count))
		PyErr_NoMemory();
	else
		site = table_add(&self->sites, sizeof(*site));
	if (!site) {
		free(probes);
		return NULL;
	}
	site->address = address;
	site->file_offset = offset;
	site->engine = &self->core;
	site->place = place;
	site->probes = (struct up_probe **)probes;
	site->count = count;
	for (unsigned i = 0; i < count; i++)
		site->probes[i]->sites[site->probes[i]->site_count++] = site;
	up_site_prepare(site);
	return PyLong_FromUnsignedLong(self->sites.count - 1);
}

PyObject *engine_site_pointer(EngineObject *self, PyObject *number)
{
	struct up_site *site = table_get(&self->sites, PyLong_AsSsize_t(number), "site");

	return site ? PyLong_FromVoidPtr(site) : NULL;
}

