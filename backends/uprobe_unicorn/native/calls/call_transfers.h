/* Forms of bytes between files and the program. */
#ifndef UPROBE_CALL_TRANSFERS_H
#define UPROBE_CALL_TRANSFERS_H

#include "own_calls.h"

call_form call_read, call_write, call_readv, call_writev, call_pread, call_pwrite, call_lseek;

#endif
