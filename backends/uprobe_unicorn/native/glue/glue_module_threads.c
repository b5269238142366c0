/* What Python tells of threads that take turns in C, and is told; uprobe_linux.syscalls.own_threads is its only user. */
#include "glue_module.h"

/* (context, engine's task, tid, blocked, pending, elsewhere, stopped, plain, waits) */
static bool read_thread(PyObject *row, struct thread *ret)
{
	unsigned long long context, task, tid, blocked, pending, elsewhere, stopped;
	int plain, waits;

	if (!PyArg_ParseTuple(row, "KKKKKKKpp", &context, &task, &tid, &blocked, &pending, &elsewhere, &stopped, &plain, &waits))
		return false;
	*ret = (struct thread){
		.context = (void *)(uintptr_t)context, .task = (struct up_task *)(uintptr_t)task, .tid = tid,
		.blocked = blocked, .pending = pending, .elsewhere = elsewhere, .stopped = stopped,
		.plain = plain, .waits = waits,
	};
	return true;
}

static bool read_threads(struct threads *threads, PyObject *rows, PyObject *ready)
{
	Py_ssize_t count = PyTuple_GET_SIZE(rows), ready_count = PyTuple_GET_SIZE(ready);

	if (count > THREADS_MOST || ready_count > count)
		return PyErr_Format(PyExc_ValueError, "%zd threads are too many", count);
	for (Py_ssize_t i = 0; i < count; i++)
		if (!read_thread(PyTuple_GET_ITEM(rows, i), &threads->items[i]))
			return false;
	for (Py_ssize_t i = 0; i < ready_count; i++) {
		unsigned long number = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(ready, i));
		if (number >= (unsigned long)count)
			return PyErr_Occurred() ? false : PyErr_Format(PyExc_IndexError, "no thread %lu", number);
		threads->ready[i] = (unsigned)number;
	}
	threads->count = (unsigned)count;
	threads->ready_count = (unsigned)ready_count;
	return true;
}

static bool read_waiters(struct threads *threads, PyObject *rows)
{
	Py_ssize_t count = PyTuple_GET_SIZE(rows);
	unsigned long long address;

	threads->waiter_count = count > THREADS_MOST ? THREADS_MOST + 1 : (unsigned)count;
	for (Py_ssize_t i = 0; i < count && count <= THREADS_MOST; i++) {
		struct futex_waiter *waiter = &threads->waiters[i];
		if (!PyArg_ParseTuple(PyTuple_GET_ITEM(rows, i), "KIi", &address, &waiter->bitset, &waiter->thread))
			return false;
		if (waiter->thread < THREAD_NONE || waiter->thread >= (int)threads->count)
			return PyErr_Format(PyExc_IndexError, "no thread %d", waiter->thread);
		waiter->address = address;
	}
	return true;
}

/*
 * (threads, numbers of those that are ready, waiters): who there is, the first of the ready ones running; who
 * waits at a futex, (address, bitset, thread or -1) each, in the order in which they came.
 */
PyObject *calls_object_set_threads(CallsObject *self, PyObject *args)
{
	struct threads *threads = &self->core.threads;
	PyObject *rows, *ready, *waiters;

	threads->on = false;
	threads->count = threads->ready_count = threads->waiter_count = 0;
	if (!PyArg_ParseTuple(args, "O!O!O!", &PyTuple_Type, &rows, &PyTuple_Type, &ready, &PyTuple_Type, &waiters))
		return NULL;
	if (!read_threads(threads, rows, ready) || !read_waiters(threads, waiters))
		return NULL;
	threads->current = threads->ready_count ? threads->ready[0] : 0;
	Py_RETURN_NONE;
}

/* A tuple of count items that make(context, index) makes. */
static PyObject *tuple_of(unsigned count, PyObject *(*make)(const struct threads *threads, unsigned index),
			  const struct threads *threads)
{
	PyObject *found = PyTuple_New(count);

	for (unsigned i = 0; found && i < count; i++) {
		PyObject *item = make(threads, i);
		if (item)
			PyTuple_SET_ITEM(found, i, item);
		else
			Py_CLEAR(found);
	}
	return found;
}

static PyObject *one_ready(const struct threads *threads, unsigned index)
{
	return PyLong_FromUnsignedLong(threads->ready[index]);
}

static PyObject *one_thread(const struct threads *threads, unsigned index)
{
	const struct thread *each = &threads->items[index];
	const uint64_t *args = each->args;

	return Py_BuildValue("(NNKKK(KKKKKK))", PyBool_FromLong(each->waits),
			     PyBool_FromLong(each->began), each->blocked, each->elsewhere, each->stopped,
			     args[0], args[1], args[2], args[3], args[4], args[5]);
}

static PyObject *one_waiter(const struct threads *threads, unsigned index)
{
	const struct futex_waiter *each = &threads->waiters[index];

	return Py_BuildValue("(KIi)", each->address, each->bitset, each->thread);
}

/*
 * (current, ready, threads, waiters): what has become of them; threads as (waits, has begun to since the last
 * time, blocked, elsewhere, stopped, arguments of the call in which it waits).
 */
PyObject *calls_object_take_threads(CallsObject *self, PyObject *unused)
{
	struct threads *threads = &self->core.threads;
	unsigned waiters = threads->waiter_count > THREADS_MOST ? 0 : threads->waiter_count;

	(void)unused;
	PyObject *found = Py_BuildValue("(INNN)", threads->current, tuple_of(threads->ready_count, one_ready, threads),
			     tuple_of(threads->count, one_thread, threads), tuple_of(waiters, one_waiter, threads));
	for (unsigned i = 0; i < threads->count; i++)
		threads->items[i].began = false;
	threads->moved = 0;
	return found;
}
