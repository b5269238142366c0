/* Forms of calls about the process itself. */
#ifndef UPROBE_CALL_PLAIN_H
#define UPROBE_CALL_PLAIN_H

#include "own_calls.h"

call_form call_getpid, call_gettid, call_clock_gettime, call_gettimeofday, call_sigprocmask, call_sigaction;
call_form call_set_tid_address, call_set_robust_list, call_prlimit, call_rseq;

#endif
