/* Forms of metadata and listings of the host's files. */
#ifndef UPROBE_CALL_STATUS_H
#define UPROBE_CALL_STATUS_H

#include "own_calls.h"

call_form call_fstat, call_getdents;

#endif
