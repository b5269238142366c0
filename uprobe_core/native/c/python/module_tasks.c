/* The Python binding: tasks, by number, and what they wait for. */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "told.h"

/* (task, parent): a task that was copied from its parent will return from the same calls. */
PyObject *engine_inherit(EngineObject *self, PyObject *args)
{
	Py_ssize_t number, from;

	if (!PyArg_ParseTuple(args, "nn", &number, &from))
		return NULL;
	struct up_task *task = table_get(&self->tasks, number, "task");
	struct up_task *parent = task ? table_get(&self->tasks, from, "task") : NULL;
	if (!parent)
		return NULL;
	if (!up_task_inherit(task, parent, &self->core))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

static void see_jumps(struct up_task *task, bool seen)
{
	task->jumps = !seen ? 0 : task->jumps ? task->jumps : 1;
}

/* Whether longjmps are seen in the process whose tasks these are, from now on. */
PyObject *engine_see_jumps(EngineObject *self, PyObject *seen)
{
	self->core.sees_jumps = PyObject_IsTrue(seen) == 1;
	for (unsigned i = 0; i < self->tasks.count; i++)
		see_jumps(self->tasks.items[i], self->core.sees_jumps);
	Py_RETURN_NONE;
}

/* The running task is about to jump to where it was before. */
PyObject *engine_jumped(EngineObject *self, PyObject *unused)
{
	(void)unused;
	if (self->core.task && self->core.task->jumps)
		self->core.task->jumps++;
	Py_RETURN_NONE;
}

/* A new task, or another name for one (number >= 0); returns its number. */
PyObject *engine_set_task(EngineObject *self, PyObject *args)
{
	Py_ssize_t number, size;
	unsigned pid, tid, who;
	const char *comm;

	if (!PyArg_ParseTuple(args, "nIIIy#", &number, &pid, &tid, &who, &comm, &size))
		return NULL;
	bool is_new = number < 0;
	struct up_task *task = is_new ? table_add(&self->tasks, sizeof(*task)) : table_get(&self->tasks, number, "task");
	if (!task)
		return NULL;
	task->pid = pid;
	task->tid = tid;
	task->who = who;
	task->comm_size = (unsigned)(size < UP_COMM ? size : UP_COMM - 1);
	memcpy(task->comm, comm, task->comm_size);
	see_jumps(task, self->core.sees_jumps);
	return PyLong_FromSsize_t(is_new ? (Py_ssize_t)self->tasks.count - 1 : number);
}

PyObject *engine_run_task(EngineObject *self, PyObject *number)
{
	struct up_task *task = table_get(&self->tasks, PyLong_AsSsize_t(number), "task");

	if (!task)
		return NULL;
	up_task_run(task, &self->core);
	Py_RETURN_NONE;
}

PyObject *engine_task_pointer(EngineObject *self, PyObject *number)
{
	struct up_task *task = table_get(&self->tasks, PyLong_AsSsize_t(number), "task");

	return task ? PyLong_FromVoidPtr(task) : NULL;
}

PyObject *engine_end_task(EngineObject *self, PyObject *args)
{
	Py_ssize_t number;
	int reason;

	if (!PyArg_ParseTuple(args, "ni", &number, &reason))
		return NULL;
	struct up_task *task = table_get(&self->tasks, number, "task");
	if (!task)
		return NULL;
	if (reason < 0 || reason >= UP_MISSED_KINDS)
		return engine_refuse("the reason");
	up_task_abandon(task, reason);
	Py_RETURN_NONE;
}

static int add_awaited(PyObject *list, const struct up_calls *calls)
{
	for (unsigned i = 0; i < calls->count; i++) {
		PyObject *address = PyLong_FromUnsignedLongLong(calls->items[i].return_address);
		int status = address ? PyList_Append(list, address) : -1;
		Py_XDECREF(address);
		if (status)
			return -1;
	}
	return 0;
}

/* The return addresses of all calls that have not returned. */
PyObject *engine_awaited(EngineObject *self, PyObject *unused)
{
	PyObject *list = PyList_New(0);

	(void)unused;
	for (unsigned i = 0; list && i < self->tasks.count; i++) {
		const struct up_task *task = self->tasks.items[i];
		if (add_awaited(list, &task->pending) || add_awaited(list, &task->suspects))
			Py_CLEAR(list);
	}
	return list;
}

PyObject *engine_raised(EngineObject *self, PyObject *sp)
{
	unsigned long long at = PyLong_AsUnsignedLongLong(sp);

	if (PyErr_Occurred())
		return NULL;
	if (self->core.task)
		self->core.task->raised = at;
	Py_RETURN_NONE;
}

/* An exception ended the running task's calls that were entered with SP in a range. */
PyObject *engine_unwound(EngineObject *self, PyObject *args)
{
	unsigned long long lowest, highest;

	if (!PyArg_ParseTuple(args, "KK", &lowest, &highest))
		return NULL;
	up_unwound(&self->core, lowest, highest);
	Py_RETURN_NONE;
}

/* How many returns of the probe the running task is waiting for. */
PyObject *engine_pending(EngineObject *self, PyObject *number)
{
	struct up_probe *probe = table_get(&self->probes, PyLong_AsSsize_t(number), "probe");

	if (!probe)
		return NULL;
	return PyLong_FromUnsignedLong(self->core.task ? up_task_pending(self->core.task, probe) : 0);
}

/* Of how long the call that returns took, the ns that who (a number) had not counted at returns in it. */
PyObject *engine_tell(EngineObject *self, PyObject *who)
{
	struct up_call *call = self->core.returning;
	void *pointer = PyLong_AsVoidPtr(who);
	uint64_t once = 0;

	if (PyErr_Occurred())
		return NULL;
	if (call && !up_tell(&self->core.task->pending, call, pointer, self->core.now - call->entered, &once))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLongLong(once);
}
