/* Forms of calls that look at what a path names. */
#ifndef UPROBE_CALL_LOOKUPS_H
#define UPROBE_CALL_LOOKUPS_H

#include "own_calls.h"

call_form call_newfstatat, call_statx, call_statfs, call_fstatfs, call_faccessat, call_readlinkat;

#endif
