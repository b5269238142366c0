/*
 * Chains: handlers that are called at a call's beginning and at its return, and what is told of its loss.
 *
 * What the first leaves in hit.cookie the second finds there; meanwhile the engine keeps it.
 */
#include "module.h"

#include "allocate.h"

struct chain {
	long enter, leave;	/* numbers of handlers, < 0: there is none */
	PyObject *missed;	/* called with (function, reason), or NULL */
};

static void chain_enter(void *context, uint32_t number, struct up_hit *hit, void **cookie_ret)
{
	EngineObject *self = context;
	long handler = self->chains[number].enter;

	if (handler < 0)
		return;
	bool held = engine_take_lock(self);
	if (engine_call_handler(self, (uint32_t)handler, hit, NULL))
		*cookie_ret = engine_handler_cookie(self, (uint32_t)handler);
	engine_let_go(self, held);
}

static void chain_leave(void *context, uint32_t number, struct up_hit *hit, void *cookie)
{
	EngineObject *self = context;
	long handler = self->chains[number].leave;

	if (handler < 0)
		return;
	bool held = engine_take_lock(self);
	engine_call_handler(self, (uint32_t)handler, hit, cookie);
	engine_let_go(self, held);
}

static void chain_missed(void *context, uint32_t number, uint64_t function, int reason)
{
	EngineObject *self = context;
	const struct chain *chain = &self->chains[number];
	long handler = chain->enter < 0 ? chain->leave : chain->enter;

	if (!chain->missed)
		return;
	bool held = engine_take_lock(self);
	PyObject *missed = Py_NewRef(chain->missed);
	PyObject *result = PyObject_CallFunction(missed, "Ki", function, reason);
	if (!result && handler >= 0)
		engine_report_failure(self, (uint32_t)handler);
	else if (!result)
		PyErr_WriteUnraisable(missed);
	Py_XDECREF(result);
	Py_DECREF(missed);
	engine_let_go(self, held);
}

static void *cookie_copy(void *context, void *cookie)
{
	bool held = engine_take_lock(context);

	Py_INCREF((PyObject *)cookie);
	engine_let_go(context, held);
	return cookie;
}

static void cookie_drop(void *context, void *cookie)
{
	bool held = engine_take_lock(context);

	Py_DECREF((PyObject *)cookie);
	engine_let_go(context, held);
}

static void vote_out(void *context, uint64_t address)
{
	EngineObject *self = context;
	bool held = engine_take_lock(self);
	PyObject *result = PyObject_CallFunction(self->vote_out, "K", address);

	if (!result)
		PyErr_WriteUnraisable(self->vote_out);
	Py_XDECREF(result);
	engine_let_go(self, held);
}

static uint64_t trampoline(void *context)
{
	EngineObject *self = context;
	bool held = engine_take_lock(self);
	PyObject *result = PyObject_CallNoArgs(self->trampoline);
	uint64_t address = result ? PyLong_AsUnsignedLongLong(result) : 0;

	if (PyErr_Occurred()) {
		PyErr_WriteUnraisable(self->trampoline);
		address = 0;
	}
	Py_XDECREF(result);
	engine_let_go(self, held);
	return address;
}

static bool is_handler(const EngineObject *self, long number)
{
	return number < (long)self->handler_count;
}

/* (number of the entry's handler, of the return's, < 0: none; missed or None); returns the chain's number. */
PyObject *engine_add_chain(EngineObject *self, PyObject *args)
{
	long enter, leave;
	PyObject *missed;

	if (!PyArg_ParseTuple(args, "llO", &enter, &leave, &missed))
		return NULL;
	if (!is_handler(self, enter) || !is_handler(self, leave)) {
		PyErr_Format(PyExc_IndexError, "no handler has number %ld", is_handler(self, enter) ? leave : enter);
		return NULL;
	}
	struct chain *chains = up_reallocate(self->chains, (self->chain_count + 1) * sizeof(*chains));
	if (!chains)
		return PyErr_NoMemory();
	self->chains = chains;
	chains[self->chain_count] = (struct chain){enter, leave, missed == Py_None ? NULL : Py_NewRef(missed)};
	struct up_outside *outside = &self->core.outside;
	outside->context = self;
	outside->enter = chain_enter;
	outside->leave = chain_leave;
	outside->missed = chain_missed;
	outside->copy = cookie_copy;
	outside->drop = cookie_drop;
	return PyLong_FromUnsignedLong(self->chain_count++);
}

/* Nothing of it is called any more. */
PyObject *engine_drop_chain(EngineObject *self, PyObject *number)
{
	unsigned long index = PyLong_AsUnsignedLong(number);

	if (PyErr_Occurred())
		return NULL;
	if (index >= self->chain_count)
		return PyErr_Format(PyExc_IndexError, "no chain has number %lu", index);
	struct chain *chain = &self->chains[index];
	chain->enter = chain->leave = -1;
	Py_CLEAR(chain->missed);
	Py_RETURN_NONE;
}

/* (vote_out, trampoline) */
PyObject *engine_set_outside(EngineObject *self, PyObject *args)
{
	PyObject *out, *where;

	if (!PyArg_ParseTuple(args, "OO", &out, &where))
		return NULL;
	Py_XSETREF(self->vote_out, Py_NewRef(out));
	Py_XSETREF(self->trampoline, Py_NewRef(where));
	self->core.outside.context = self;
	self->core.outside.vote_out = vote_out;
	self->core.outside.trampoline = trampoline;
	Py_RETURN_NONE;
}

int engine_visit_chains(EngineObject *self, visitproc visit, void *arg)
{
	for (unsigned i = 0; i < self->chain_count; i++)
		Py_VISIT(self->chains[i].missed);
	return 0;
}

void engine_drop_chains(EngineObject *self)
{
	for (unsigned i = 0; i < self->chain_count; i++) {
		self->chains[i].enter = self->chains[i].leave = -1;
		Py_CLEAR(self->chains[i].missed);
	}
}
