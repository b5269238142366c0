/* Forms of calls that may have to wait, where they do not. */
#ifndef UPROBE_CALL_WAITS_H
#define UPROBE_CALL_WAITS_H

#include "own_calls.h"

call_form call_futex, call_yield, call_epoll_wait, call_poll;

#endif
