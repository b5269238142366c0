/* Forms of calls that make, remove and rename entries of folders. */
#ifndef UPROBE_CALL_ENTRIES_H
#define UPROBE_CALL_ENTRIES_H

#include "own_calls.h"

call_form call_mkdirat, call_unlinkat, call_symlinkat, call_linkat, call_renameat, call_renameat2;

#endif
