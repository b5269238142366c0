/* What the files of the Python binding share. */
#ifndef UPROBE_GLUE_MODULE_H
#define UPROBE_GLUE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "emulator.h"
#include "own_calls.h"
#include "watch.h"

typedef struct {
	PyObject_HEAD
	struct glue core;
	PyObject *fill, *inline_hook, *sample, *engine, *calls;
	PyObject *error;	/* the first exception of a callback, raised by run */
	struct place **places;
	unsigned place_count, place_capacity;
	struct watch watch;
} GlueObject;

typedef struct {
	PyObject_HEAD
	struct calls core;
	Py_buffer actions, limits;	/* that core knows */
} CallsObject;

/* Keeps the exception that is set; the run ends soon. */
void glue_object_keep_error(GlueObject *self);
PyObject *glue_object_add_data(GlueObject *self, PyObject *args);
PyObject *glue_object_add_code(GlueObject *self, PyObject *args);
PyObject *glue_object_drop(GlueObject *self, PyObject *args);
PyObject *glue_object_make_stores(GlueObject *self, PyObject *args);
PyObject *glue_object_flush(GlueObject *self, PyObject *unused);
PyObject *glue_object_forget_code(GlueObject *self, PyObject *args);

PyObject *glue_object_find_registers(GlueObject *self, PyObject *unused);
PyObject *glue_object_connect(GlueObject *self, PyObject *args);
PyObject *glue_object_add_place(GlueObject *self, PyObject *args);
PyObject *glue_object_set_place(GlueObject *self, PyObject *args);
PyObject *glue_object_hook(GlueObject *self, PyObject *args);
PyObject *glue_object_note_python(GlueObject *self, PyObject *args);
PyObject *glue_object_slot(GlueObject *self, PyObject *args);
PyObject *glue_object_trap(GlueObject *self, PyObject *args);
PyObject *glue_object_forget(GlueObject *self, PyObject *number);
PyObject *glue_object_add_area(GlueObject *self, PyObject *args);
PyObject *glue_object_remove_area(GlueObject *self, PyObject *address);
PyObject *glue_object_begin_samples(GlueObject *self, PyObject *args);
PyObject *glue_object_look_for_sample(GlueObject *self, PyObject *address);
PyObject *glue_object_hold_samples(GlueObject *self, PyObject *on);
PyObject *glue_object_watch_code(GlueObject *self, PyObject *unused);
PyObject *glue_object_take_code(GlueObject *self, PyObject *args);
PyObject *glue_object_take_wanted(GlueObject *self, PyObject *unused);
PyObject *glue_object_make_calls(GlueObject *self, PyObject *calls);
PyObject *glue_object_call_registers(GlueObject *self, PyObject *unused);
PyObject *glue_object_get_reg(GlueObject *self, PyObject *index);
PyObject *glue_object_set_result(GlueObject *self, PyObject *value);
PyObject *calls_object_set_threads(CallsObject *self, PyObject *args);
PyObject *calls_object_take_threads(CallsObject *self, PyObject *unused);
PyObject *calls_object_set_regions(CallsObject *self, PyObject *args);
PyObject *calls_object_lend_arena(CallsObject *self, PyObject *args);
PyObject *calls_object_take_maps(CallsObject *self, PyObject *unused);
extern PyTypeObject glue_calls_type;

PyObject *module_aborting_offsets(PyObject *self, PyObject *code);
PyObject *module_area_size(PyObject *self, PyObject *slots);
PyObject *module_relocate(PyObject *self, PyObject *args);

#endif
