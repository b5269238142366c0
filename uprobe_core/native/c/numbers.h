/* The numbers of the engine that others know as well. */
#ifndef UPROBE_NUMBERS_H
#define UPROBE_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	UP_ABI = 7,		/* number of this layout; the Python side checks it */
	UP_MAX_OPS = 16,	/* operations of an argument, END included (FETCH_INSN_MAX) */
	UP_MAX_ARGS = 128,	/* MAX_TRACE_ARGS */
	UP_MAX_ARRAY = 64,	/* elements of an array (MAX_ARRAY_LEN) */
	UP_MAX_STRING = 4096,	/* MAX_STRING_SIZE, NUL included */
	UP_MAX_RECORD = 4096,	/* fixed part and strings of a record, as a kernel has them */
	UP_COMM = 16,
	UP_MAX_KEY = 8,		/* fields of a key */
	UP_MAX_PROBES = 64,	/* at one site */
	UP_MAX_SLOWEST = 1 << 20,	/* calls that an action keeps */
};

/* How making an object ended; an object that was not made has nothing to give back. */
enum up_made { UP_MADE, UP_REFUSED, UP_NO_MEMORY };

#endif
