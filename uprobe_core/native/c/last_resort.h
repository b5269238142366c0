/*
 * The end of a process that does not come back: of a run whose consumer hangs in C code, or keeps the
 * interpreter's lock for ever, so that no signal is ever seen by Python.
 *
 * A thread of its own waits for a time that somebody puts off as long as all is well.  One for a process;
 * a forked one has none.
 */
#ifndef UPROBE_LAST_RESORT_H
#define UPROBE_LAST_RESORT_H

#include <stdbool.h>

/* End the process with status in so many seconds, unless called again; text is for standard error then. */
bool last_resort_in(double seconds, int status, const char *text);
/*
 * Do so, with status, in so many seconds once the signal has come so often; its handler, which must be set already, is called
 * as before.
 */
bool last_resort_after(int signal, int times, double seconds, int status);
/* Not any more.  Handlers stay; who sets one anew takes ours away. */
void last_resort_never(void);

#endif
