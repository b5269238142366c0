/* The Python binding: user stacks; what is known of an address comes from Python once. */
#include "module.h"

#include <string.h>

/* What find gives: struct up_step as far as it is known there, then struct up_saved. */
struct packed_step {
	int64_t offset;
	uint32_t frame;
	uint8_t base, pc_from, saved, flags;
};
_Static_assert(sizeof(struct packed_step) == 16, "packed by native/stacks.py");

static bool unpack(PyObject *packed, struct up_step *step_ret, struct up_saved *saved_ret)
{
	struct packed_step head;
	char *bytes;
	Py_ssize_t size;

	if (PyBytes_AsStringAndSize(packed, &bytes, &size) < 0)
		return false;
	if ((size_t)size < sizeof(head)) {
		engine_refuse("the step");
		return false;
	}
	memcpy(&head, bytes, sizeof(head));
	if (head.saved > UP_FOLLOWED_MAX || (size_t)size != sizeof(head) + head.saved * sizeof(*saved_ret)) {
		engine_refuse("the step");
		return false;
	}
	memcpy(saved_ret, bytes + sizeof(head), head.saved * sizeof(*saved_ret));
	*step_ret = (struct up_step){.offset = head.offset, .frame = head.frame, .base = head.base,
				     .pc_from = head.pc_from, .saved = head.saved, .flags = head.flags};
	return true;
}

static bool find(void *context, uint64_t pc, bool after_call, struct up_step *step_ret, struct up_saved *saved_ret)
{
	EngineObject *self = context;
	bool held = engine_take_lock(self);
	PyObject *packed = PyObject_CallFunction(self->find_step, "Ki", pc, (int)after_call);
	bool found = packed && unpack(packed, step_ret, saved_ret);

	if (!found)
		PyErr_WriteUnraisable(self->find_step);
	Py_XDECREF(packed);
	engine_let_go(self, held);
	return found;
}

static unsigned walk(void *context, const struct up_hit *hit, unsigned depth, uint32_t *ret)
{
	EngineObject *self = context;
	bool held = engine_take_lock(self);
	PyObject *packed = PyObject_CallFunction(self->walk_stack, "KI", hit->block ? hit->block : hit->pc, depth);
	char *bytes;
	Py_ssize_t size = 0;

	if (!packed || PyBytes_AsStringAndSize(packed, &bytes, &size) < 0)
		PyErr_WriteUnraisable(self->walk_stack);
	else if ((size_t)size <= depth * sizeof(*ret))
		memcpy(ret, bytes, (size_t)size);
	Py_XDECREF(packed);
	engine_let_go(self, held);
	return (size_t)size <= depth * sizeof(*ret) ? (unsigned)((size_t)size / sizeof(*ret)) : 0;
}

/* (find, walk, frames, registers that are followed, SP, code_mask) */
PyObject *engine_set_stacks(EngineObject *self, PyObject *args)
{
	PyObject *find_step, *walk_stack, *frames;
	unsigned count, sp;
	unsigned long long mask;

	if (!PyArg_ParseTuple(args, "OOO!IIK", &find_step, &walk_stack, &PyList_Type, &frames, &count, &sp, &mask))
		return NULL;
	if (count > UP_FOLLOWED_MAX || count > self->core.registers.count || sp >= count)
		return engine_refuse("so many registers");
	Py_XSETREF(self->find_step, Py_NewRef(find_step));
	Py_XSETREF(self->walk_stack, Py_NewRef(walk_stack));
	Py_XSETREF(self->frames, Py_NewRef(frames));
	struct up_stacks *stacks = &self->core.stacks;
	up_stacks_forget(stacks);
	stacks->count = count;
	stacks->sp = sp;
	stacks->code_mask = mask;
	stacks->context = self;
	stacks->find = find;
	stacks->walk = walk;
	Py_RETURN_NONE;
}

PyObject *engine_forget_steps(EngineObject *self, PyObject *unused)
{
	(void)unused;
	up_stacks_forget(&self->core.stacks);
	Py_RETURN_NONE;
}

/* At most so many frames of the hit that is being handled. */
PyObject *engine_stack(EngineObject *self, PyObject *number)
{
	uint32_t numbers[UP_STACK_MAX];
	unsigned long depth = PyLong_AsUnsignedLong(number);

	if (PyErr_Occurred())
		return NULL;
	if (!self->active || depth > UP_STACK_MAX)
		return PyErr_Format(PyExc_RuntimeError, "no hit is being handled, or %lu frames", depth);
	unsigned count = up_stack(&self->core, self->active, (unsigned)depth, numbers);
	PyObject *stack = PyTuple_New(count);
	for (unsigned i = 0; stack && i < count; i++) {
		PyObject *frame = PyList_GetItem(self->frames, numbers[i]);
		if (!frame) {
			Py_DECREF(stack);
			return NULL;
		}
		PyTuple_SET_ITEM(stack, i, Py_NewRef(frame));
	}
	return stack;
}

/* Where the function that the running task entered with SP really returns to, None if no return of it is pending. */
PyObject *engine_real_return(EngineObject *self, PyObject *number)
{
	unsigned long long sp = PyLong_AsUnsignedLongLong(number);
	uint64_t address;

	if (PyErr_Occurred())
		return NULL;
	if (!self->core.task || !up_real_return(self->core.task, sp, &address))
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(address);
}
