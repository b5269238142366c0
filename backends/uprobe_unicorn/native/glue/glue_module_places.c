/* The Python binding of the glue: the engine that hits go to, places and slot areas. */
#include "glue_module.h"

#include "allocate.h"
#include "fills.h"
#include "hooks.h"
#include "places_table.h"
#include "registers.h"
#include "relocate.h"
#include "run.h"
#include "slots.h"

/* --- places -------------------------------------------------------------------------------------- */

/* Returns whether registers are read in place from now on. */
PyObject *glue_object_find_registers(GlueObject *self, PyObject *unused)
{
	(void)unused;
	glue_find_registers(&self->core);
	return PyBool_FromLong(self->core.source.registers != NULL);
}

PyObject *glue_object_connect(GlueObject *self, PyObject *args)
{
	unsigned long long pointer;
	PyObject *engine, *capsule;

	if (!PyArg_ParseTuple(args, "OKO", &engine, &pointer, &capsule))
		return NULL;
	self->core.api = PyCapsule_GetPointer(capsule, UP_API_CAPSULE);
	if (!self->core.api)
		return NULL;
	if (self->core.api->abi != UP_ABI) {
		PyErr_Format(PyExc_ImportError, "the engine has layout %u, this glue was built for %u",
			     self->core.api->abi, UP_ABI);
		return NULL;
	}
	Py_XSETREF(self->engine, Py_NewRef(engine));
	self->core.engine = (struct up_engine *)(uintptr_t)pointer;
	Py_RETURN_NONE;
}

PyObject *glue_object_add_place(GlueObject *self, PyObject *args)
{
	unsigned long long address, site;
	int watched;

	if (!PyArg_ParseTuple(args, "KKp", &address, &site, &watched))
		return NULL;
	if (self->place_count == self->place_capacity) {
		unsigned capacity = self->place_capacity ? 2 * self->place_capacity : 64;
		struct place **places = up_reallocate(self->places, capacity * sizeof(*places));
		if (!places)
			return PyErr_NoMemory();
		self->places = places;
		self->place_capacity = capacity;
	}
	struct place *place = up_allocate_zeroed(1, sizeof(*place));
	if (!place)
		return PyErr_NoMemory();
	*place = (struct place){.address = address, .site = (struct up_site *)(uintptr_t)site,
				.watched = watched, .glue = &self->core};
	self->places[self->place_count] = place;
	return PyLong_FromUnsignedLong(self->place_count++);
}

static struct place *place_at(GlueObject *self, Py_ssize_t number)
{
	if (number >= 0 && number < (Py_ssize_t)self->place_count)
		return self->places[number];
	if (!PyErr_Occurred())
		PyErr_Format(PyExc_IndexError, "no place has number %zd", number);
	return NULL;
}

/* Returns whether the place got another hook: translations made before do not call it. */
PyObject *glue_object_set_place(GlueObject *self, PyObject *args)
{
	Py_ssize_t number;
	unsigned long long site;
	int watched;

	if (!PyArg_ParseTuple(args, "nKp", &number, &site, &watched))
		return NULL;
	struct place *place = place_at(self, number);
	if (!place)
		return NULL;
	place->site = (struct up_site *)(uintptr_t)site;
	place->watched = watched;
	if (!place->hook || !place->by_block || !site)
		Py_RETURN_FALSE;
	bool python = place->then_python;
	glue_remove_inline(&self->core, place);
	if (glue_add_inline(&self->core, place, python))
		return PyErr_Format(PyExc_RuntimeError, "libunicorn refused a hook");
	Py_RETURN_TRUE;
}

/* Puts the place into the table of addresses if none is there for its own; false: out of memory. */
static bool is_listed(GlueObject *self, struct place *place)
{
	return table_find(&self->core, place->address) || table_add(&self->core, place);
}

/* (number, whether Python has a hook at the same address already); returns uc_err. */
PyObject *glue_object_hook(GlueObject *self, PyObject *args)
{
	Py_ssize_t number;
	int python;

	if (!PyArg_ParseTuple(args, "np", &number, &python))
		return NULL;
	struct place *place = place_at(self, number);
	if (!place)
		return NULL;
	if (!is_listed(self, place))
		return PyErr_NoMemory();
	return PyLong_FromLong(glue_add_inline(&self->core, place, python));
}

/* (address, whether Python has a code hook there from now on). */
PyObject *glue_object_note_python(GlueObject *self, PyObject *args)
{
	unsigned long long address;
	int present;

	if (!PyArg_ParseTuple(args, "Kp", &address, &present))
		return NULL;
	glue_note_python(&self->core, address, present);
	Py_RETURN_NONE;
}

/* Gives the place a slot for its displaced word; returns the entry's address, 0 if there can be none. */
PyObject *glue_object_slot(GlueObject *self, PyObject *args)
{
	Py_ssize_t number;
	unsigned long long area_address;
	unsigned word;

	if (!PyArg_ParseTuple(args, "nKI", &number, &area_address, &word))
		return NULL;
	struct place *place = place_at(self, number);
	struct area *area = area_at(&self->core, area_address);
	if (!place)
		return NULL;
	uint64_t entry = area ? area_add(area, place, word) : 0;
	if (entry && !is_listed(self, place))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLongLong(entry);
}

/* (place, steps): a trapped place whose instruction the core can do; see struct place. */
PyObject *glue_object_trap(GlueObject *self, PyObject *args)
{
	Py_ssize_t number;
	int steps;

	if (!PyArg_ParseTuple(args, "np", &number, &steps))
		return NULL;
	struct place *place = place_at(self, number);
	if (!place)
		return NULL;
	if (!is_listed(self, place))
		return PyErr_NoMemory();
	place->core = true;
	place->steps = steps;
	Py_RETURN_NONE;
}

PyObject *glue_object_forget(GlueObject *self, PyObject *number)
{
	struct place *place = place_at(self, PyLong_AsSsize_t(number));

	if (!place)
		return NULL;
	glue_remove_inline(&self->core, place);
	table_remove(&self->core, place);
	area_forget(&self->core, place);
	place->site = NULL;
	place->watched = false;
	Py_RETURN_NONE;
}

PyObject *glue_object_add_area(GlueObject *self, PyObject *args)
{
	unsigned long long start, physical;
	unsigned slots;

	if (!PyArg_ParseTuple(args, "KKI", &start, &physical, &slots))
		return NULL;
	if (!area_create(&self->core, start, physical, slots))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

PyObject *glue_object_remove_area(GlueObject *self, PyObject *address)
{
	struct area *area = area_at(&self->core, PyLong_AsUnsignedLongLong(address));

	if (PyErr_Occurred())
		return NULL;
	if (area)
		area_destroy(area);
	Py_RETURN_NONE;
}

PyObject *glue_object_take_wanted(GlueObject *self, PyObject *unused)
{
	unsigned count = self->core.wanted_count < 16 ? self->core.wanted_count : 16;
	PyObject *list = PyList_New(count);

	(void)unused;
	for (unsigned i = 0; list && i < count; i++)
		PyList_SET_ITEM(list, i, PyLong_FromUnsignedLongLong(self->core.wanted[i]));
	self->core.wanted_count = 0;
	return list;
}

PyObject *module_area_size(PyObject *self, PyObject *slots)
{
	unsigned long count = PyLong_AsUnsignedLong(slots);

	(void)self;
	return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(area_size((unsigned)count));
}

PyObject *module_relocate(PyObject *self, PyObject *args)
{
	unsigned word;
	unsigned long long from, to;
	uint32_t words[TAIL_WORDS];

	(void)self;
	if (!PyArg_ParseTuple(args, "IKK", &word, &from, &to))
		return NULL;
	unsigned count = relocate(word, from, to, words);
	return PyBytes_FromStringAndSize((const char *)words, (Py_ssize_t)(4 * count));
}
