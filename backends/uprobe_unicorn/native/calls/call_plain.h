/* Forms of calls about the process itself. */
#ifndef UPROBE_CALL_PLAIN_H
#define UPROBE_CALL_PLAIN_H

#include "own_calls.h"

call_form call_getpid, call_gettid, call_clock_gettime, call_gettimeofday, call_sigprocmask;

#endif
