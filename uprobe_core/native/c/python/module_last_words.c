/*
 * A word before C code of a plugin's ends the process: abort(), exit(), a wrong pointer.
 *
 * Whose code it was stands on Python's stack, so Python is asked, which can be called from such a handler as
 * long as it is not Python itself that is broken; whatever happens there, last_resort.h ends it. Who is not a
 * plugin goes on to who was told before: libunicorn's own abort() is its backend's.
 */
#include "module.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "last_resort.h"

static const int numbers[] = {SIGABRT, SIGSEGV, SIGFPE, SIGILL};
enum { SIGNALS = sizeof(numbers) / sizeof(*numbers), SECONDS = 5, LOST = 125 };

static struct sigaction before[SIGNALS];
static PyObject *words;	/* called with the signal's number, 0 for exit(); NULL: nobody is */
static pthread_t owner;

static void on_deadly(int number, siginfo_t *info, void *context);

static bool is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_deadly;
}

/* Again is allowed: whoever came since is told after us from then on. */
static void install(void)
{
	struct sigaction ours = {.sa_sigaction = on_deadly, .sa_flags = SA_SIGINFO | SA_NODEFER}, now;

	for (unsigned i = 0; i < SIGNALS; i++)
		if (!sigaction(numbers[i], NULL, &now) && !is_ours(&now)) {
			before[i] = now;
			sigaction(numbers[i], &ours, NULL);
		}
}

static void give_back(void)
{
	struct sigaction now;

	for (unsigned i = 0; i < SIGNALS; i++)
		if (!sigaction(numbers[i], NULL, &now) && is_ours(&now))
			sigaction(numbers[i], &before[i], NULL);
}

/* Python's answer is for people: who is to be named has been named, and the process is over, or nothing was done. */
static void ask(int number)
{
	PyThreadState *state = PyGILState_GetThisThreadState();

	if (!words || !state || !pthread_equal(owner, pthread_self()))
		return;
	last_resort_in(SECONDS, LOST, "uprobe: error: a plugin has ended the process\n");
	bool held = PyGILState_Check();
	if (!held)
		PyEval_RestoreThread(state);
	PyObject *type, *value, *trace;
	PyErr_Fetch(&type, &value, &trace);
	PyObject *asked = words, *answer = PyObject_CallFunction(asked, "i", number);
	if (!answer)
		PyErr_WriteUnraisable(asked);
	Py_XDECREF(answer);
	PyErr_Restore(type, value, trace);
	if (!held)
		PyEval_SaveThread();
	last_resort_never();
}

static void on_deadly(int number, siginfo_t *info, void *context)
{
	unsigned i = 0;

	while (numbers[i] != number)
		i++;
	give_back();	/* what happens while Python is asked is nobody's to explain */
	ask(number);
	const struct sigaction *next = &before[i];
	bool handled = next->sa_flags & SA_SIGINFO || (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN);
	if (!handled) {
		if (info->si_code <= 0)
			raise(number);	/* sent: it does not come again by itself */
		return;
	}
	install();	/* the next one may not come back to here, and the run may go on */
	if (next->sa_flags & SA_SIGINFO)
		next->sa_sigaction(number, info, context);
	else
		next->sa_handler(number);
}

static void at_exit(void)
{
	if (words) {
		give_back();
		ask(0);
	}
}

PyObject *module_last_words(PyObject *self, PyObject *asked)
{
	static bool registered;
	PyObject *old = words;

	(void)self;
	words = asked == Py_None ? NULL : Py_NewRef(asked);
	if (words) {
		owner = pthread_self();
		install();
		registered = registered || !atexit(at_exit);
	} else {
		give_back();
	}
	Py_XDECREF(old);
	Py_RETURN_NONE;
}
