/*
 * Python handlers: each is called with a hit object of its own, which is used again for every hit.
 *
 * Two things would cost more than the call itself.  Attributes of the hit are
 * therefore written into its slots, and only when they changed.  And the
 * interpreter lock is kept from one call to the next as long as this is the
 * only thread that Python has; whoever runs guest code without the lock finds
 * out at the end whether he has it (up_engine.holds_lock).
 */
#include "module.h"

#include <structmember.h>

#include "allocate.h"

enum slot { ADDRESS, OFFSET, VALUES, COOKIE, FUNCTION, RETURN_ADDRESS, LATENCY, INSNS, SLOTS };

static const char *const slot_names[SLOTS] = {
	"address", "probe_offset", "_values", "cookie", "function", "return_address", "native_latency", "native_insns",
};

/* A number and the int object that was last made of it. */
struct number {
	uint64_t value;
	PyObject *object;
};

struct handler {
	PyObject *function, *hit;
	Py_ssize_t offsets[SLOTS];	/* of the slots in hit, 0: it has none of that name */
	struct number numbers[SLOTS];
};

/* --- the hit object ------------------------------------------------------------------ */

static Py_ssize_t offset_of(PyObject *object, const char *name)
{
	PyObject *descriptor = PyObject_GetAttrString((PyObject *)Py_TYPE(object), name);
	Py_ssize_t offset = 0;

	if (!descriptor)
		PyErr_Clear();
	else if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type))
		offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
	Py_XDECREF(descriptor);
	return offset;
}

static inline void put(const struct handler *handler, enum slot slot, PyObject *value)
{
	PyObject **place = (PyObject **)((char *)handler->hit + handler->offsets[slot]), *before = *place;

	if (before == value)
		return;
	*place = Py_NewRef(value);
	Py_XDECREF(before);
}

static inline bool put_number(struct handler *handler, enum slot slot, uint64_t value)
{
	struct number *number = &handler->numbers[slot];

	if (number->value != value || !number->object) {
		PyObject *object = PyLong_FromUnsignedLongLong(value);
		if (!object)
			return false;
		Py_XSETREF(number->object, object);
		number->value = value;
	}
	put(handler, slot, number->object);
	return true;
}

static bool refresh(struct handler *handler, const struct up_hit *hit)
{
	put(handler, VALUES, Py_None);
	put(handler, COOKIE, Py_None);
	if (!put_number(handler, ADDRESS, hit->address) || !put_number(handler, OFFSET, hit->file_offset))
		return false;
	return !hit->entry || (put_number(handler, FUNCTION, hit->address) &&
			       put_number(handler, RETURN_ADDRESS, hit->pc) &&
			       put_number(handler, LATENCY, hit->latency) && put_number(handler, INSNS, hit->insns));
}

/* --- the call ------------------------------------------------------------------------- */

/* The handler raised an exception or returned something: that is the core's to judge. */
static void tell_outcome(EngineObject *self, uint32_t number, PyObject *outcome)
{
	PyObject *result = self->outcome ? PyObject_CallFunction(self->outcome, "IO", number, outcome) : NULL;

	if (!result && PyErr_Occurred())
		PyErr_WriteUnraisable(self->outcome);
	Py_XDECREF(result);
}

static void report_failure(EngineObject *self, uint32_t number)
{
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	if (trace)
		PyException_SetTraceback(value, trace);
	tell_outcome(self, number, value);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
}

static bool is_only_thread(void)
{
	return !PyThreadState_Next(PyInterpreterState_ThreadHead(PyInterpreterState_Get()));
}

/* Python is about to be called; answers whether the lock was held for another reason than the last call. */
bool engine_take_lock(EngineObject *self)
{
	bool held = !self->core.holds_lock && PyGILState_Check();

	if (!held && !self->core.holds_lock)
		PyEval_RestoreThread(PyGILState_GetThisThreadState());
	return held;
}

/* Undoes engine_take_lock; keeps the lock for the next call if nobody can want it. */
void engine_let_go(EngineObject *self, bool held)
{
	if (held)
		return;
	self->core.holds_lock = is_only_thread();
	if (!self->core.holds_lock)
		PyEval_SaveThread();
}

/* Calls handler number, whose hit has cookie (NULL: None) then; false: it raised, and that was reported. */
bool engine_call_handler(EngineObject *self, uint32_t number, struct up_hit *hit, PyObject *cookie)
{
	struct handler *handler = self->handlers[number];
	struct up_hit *before = self->active;
	bool ready = refresh(handler, hit);

	if (cookie)
		put(handler, COOKIE, cookie);
	self->active = hit;
	PyObject *result = ready ? PyObject_CallOneArg(handler->function, handler->hit) : NULL;
	if (!result)
		report_failure(self, number);
	else if (result != Py_None)
		tell_outcome(self, number, result);
	Py_XDECREF(result);
	self->active = before;
	return result != NULL;
}

/* What handler number has left in its hit; a new reference, NULL for None. */
PyObject *engine_handler_cookie(EngineObject *self, uint32_t number)
{
	const struct handler *handler = self->handlers[number];
	PyObject *cookie = *(PyObject **)((char *)handler->hit + handler->offsets[COOKIE]);

	return cookie && cookie != Py_None ? Py_NewRef(cookie) : NULL;
}

void engine_report_failure(EngineObject *self, uint32_t number)
{
	report_failure(self, number);
}

static void call_python(void *context, struct up_action *action, struct up_hit *hit)
{
	EngineObject *self = context;
	bool held = engine_take_lock(self);

	engine_call_handler(self, action->sink, hit, NULL);
	engine_let_go(self, held);
}

/* --- for Python ------------------------------------------------------------------------- */

static bool has_slots(const struct handler *handler)
{
	for (int slot = 0; slot <= COOKIE; slot++)
		if (!handler->offsets[slot])
			return false;
	return true;
}

/* (function, hit object) for the next UP_CALL action; returns its number. */
PyObject *engine_add_handler(EngineObject *self, PyObject *args)
{
	PyObject *function, *hit;

	if (!PyArg_ParseTuple(args, "OO", &function, &hit))
		return NULL;
	struct handler **handlers = up_reallocate(self->handlers, (self->handler_count + 1) * sizeof(*handlers));
	if (!handlers)
		return PyErr_NoMemory();
	self->handlers = handlers;
	struct handler *handler = up_allocate_zeroed(1, sizeof(*handler));
	if (!handler)
		return PyErr_NoMemory();
	for (int slot = 0; slot < SLOTS; slot++)
		handler->offsets[slot] = offset_of(hit, slot_names[slot]);
	if (!has_slots(handler)) {
		free(handler);
		return PyErr_Format(PyExc_TypeError, "%R is no hit: its type lacks slots of one", hit);
	}
	handler->function = Py_NewRef(function);
	handler->hit = Py_NewRef(hit);
	handlers[self->handler_count++] = handler;
	self->core.call = call_python;
	self->core.call_context = self;
	return PyLong_FromUnsignedLong(self->handler_count - 1);
}

int engine_visit_handlers(EngineObject *self, visitproc visit, void *arg)
{
	for (unsigned i = 0; i < self->handler_count; i++) {
		Py_VISIT(self->handlers[i]->function);
		Py_VISIT(self->handlers[i]->hit);
	}
	return 0;
}

void engine_drop_handlers(EngineObject *self)
{
	while (self->handler_count) {
		struct handler *handler = self->handlers[--self->handler_count];
		Py_DECREF(handler->function);
		Py_DECREF(handler->hit);
		for (int slot = 0; slot < SLOTS; slot++)
			Py_XDECREF(handler->numbers[slot].object);
		free(handler);
	}
	free(self->handlers);
	self->handlers = NULL;
}
