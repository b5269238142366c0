/* The numbers, words and layouts that Python shares with the engine: written here from the headers, and nowhere else. */
#include "module.h"

static const struct {
	const char *name;
	long value;
} numbers[] = {
	{"ABI", UP_ABI},
	{"MAX_PROBES", UP_MAX_PROBES},
	{"MAX_SLOWEST", UP_MAX_SLOWEST},
	{"MAX_KEY", UP_MAX_KEY},
	{"MAX_RECORD", UP_MAX_RECORD},
	{"MAX_STACK", UP_STACK_MAX},
	{"ACTION_COUNT", UP_COUNT},
	{"ACTION_SUM", UP_SUM},
	{"ACTION_HIST", UP_HIST},
	{"ACTION_RECORD", UP_RECORD},
	{"ACTION_CALL", UP_CALL},
	{"ACTION_SUMMARY", UP_SUMMARY},
	{"ACTION_GRAPH", UP_GRAPH},
	{"HIST_LOG2", UP_LOG2},
	{"HIST_LINEAR", UP_LINEAR},
	{"HIST_SUB", UP_SUB},
	{"FIELD_ARG", UP_FIELD_ARG},
	{"FIELD_PID", UP_FIELD_PID},
	{"FIELD_TID", UP_FIELD_TID},
	{"FIELD_COMM", UP_FIELD_COMM},
	{"FIELD_ADDRESS", UP_FIELD_ADDRESS},
	{"FIELD_LATENCY", UP_FIELD_LATENCY},
	{"FIELD_PC", UP_FIELD_PC},
	{"FIELD_ZERO", UP_FIELD_ZERO},
	{"FIELD_STACK", UP_FIELD_STACK},
	{"FIELD_TEXT_SIZE", UP_FIELD_TEXT_SIZE},
	{"NO_REGISTER", UP_NO_REGISTER},
	{"COMPARE_EQ", UP_EQ},
	{"COMPARE_NE", UP_NE},
	{"COMPARE_LT", UP_LT},
	{"COMPARE_LE", UP_LE},
	{"COMPARE_GT", UP_GT},
	{"COMPARE_GE", UP_GE},
	{"COMPARE_AND", UP_AND},
	{"COMPARE_TEXT_EQ", UP_TEXT_EQ},
	{"COMPARE_TEXT_HEAD", UP_TEXT_HEAD},
	{"COMPARE_TEXT_TAIL", UP_TEXT_TAIL},
	{"COMPARE_TEXT_INSIDE", UP_TEXT_INSIDE},
	{"COMPARE_TEXT_GLOB", UP_TEXT_GLOB},
	{"VOTE_KEEP", UP_KEEP},
	{"VOTE_REMOVE", UP_VOTE_REMOVE},
	{"VOTE_IGNORE", UP_VOTE_IGNORE},
	{"VOTES_ALL", UP_VOTES_ALL},
	{"VOTES_ALONE", UP_VOTES_ALONE},
	{"VOTES_PAIR", UP_VOTES_PAIR},
};

/* By the names of event_model.OpCode. */
static const struct {
	const char *name;
	long value;
} ops[] = {
	{"END", UP_END},
	{"REG", UP_REG},
	{"STACK", UP_STACK},
	{"STACKP", UP_STACKP},
	{"RETVAL", UP_RETVAL},
	{"IMM", UP_IMM},
	{"COMM", UP_COMM_TOKEN},
	{"FOFFS", UP_FOFFS},
	{"IMMSTR", UP_IMMSTR},
	{"VREG", UP_VREG},
	{"ENTRY", UP_ENTRY},
	{"LATENCY", UP_LATENCY},
	{"INSNS", UP_INSNS},
	{"JUMPS", UP_JUMPS},
	{"DEREF", UP_DEREF},
	{"UDEREF", UP_UDEREF},
	{"ST_RAW", UP_ST_RAW},
	{"ST_MEM", UP_ST_MEM},
	{"ST_UMEM", UP_ST_UMEM},
	{"ST_STRING", UP_ST_STRING},
	{"ST_USTRING", UP_ST_USTRING},
	{"MOD_BF", UP_MOD_BF},
	{"LP_ARRAY", UP_LP_ARRAY},
};

/* As Python's struct module has them. */
static const struct {
	const char *name, *layout;
} layouts[] = {
	{"OP_LAYOUT", UP_OP_LAYOUT},
	{"ARG_LAYOUT", UP_ARG_LAYOUT},
	{"FIELD_LAYOUT", UP_FIELD_LAYOUT},
	{"TEST_LAYOUT", UP_TEST_LAYOUT},
	{"RECORD_LAYOUT", UP_RECORD_LAYOUT},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static PyObject *words_of_missed(void)
{
	static const char *const words[UP_MISSED_KINDS] = UP_MISSED_WORDS;
	PyObject *tuple = PyTuple_New(UP_MISSED_KINDS);

	for (Py_ssize_t i = 0; tuple && i < UP_MISSED_KINDS; i++) {
		PyObject *word = PyUnicode_FromString(words[i]);
		if (!word)
			Py_CLEAR(tuple);
		else
			PyTuple_SET_ITEM(tuple, i, word);
	}
	return tuple;
}

static PyObject *numbers_of_ops(void)
{
	PyObject *dict = PyDict_New();

	for (size_t i = 0; dict && i < COUNT_OF(ops); i++) {
		PyObject *number = PyLong_FromLong(ops[i].value);
		if (!number || PyDict_SetItemString(dict, ops[i].name, number))
			Py_CLEAR(dict);
		Py_XDECREF(number);
	}
	return dict;
}

/* Adds what the caller gives away; answers whether it was there and could be added. */
static bool add(PyObject *module, const char *name, PyObject *object)
{
	bool added = object && PyModule_AddObjectRef(module, name, object) == 0;

	Py_XDECREF(object);
	return added;
}

bool module_add_numbers(PyObject *module)
{
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value))
			return false;
	for (size_t i = 0; i < COUNT_OF(layouts); i++)
		if (PyModule_AddStringConstant(module, layouts[i].name, layouts[i].layout))
			return false;
	return add(module, "OPS", numbers_of_ops()) && add(module, "MISSED", words_of_missed()) &&
	       add(module, "NO_TEXT", PyLong_FromUnsignedLongLong(UP_NO_TEXT));
}
