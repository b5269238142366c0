/* Forms of calls that open, close and duplicate descriptors. */
#ifndef UPROBE_CALL_OPENING_H
#define UPROBE_CALL_OPENING_H

#include "own_calls.h"

call_form call_openat, call_close, call_dup, call_fcntl;

#endif
