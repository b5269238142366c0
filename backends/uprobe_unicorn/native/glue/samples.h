/* Samples: an interruption after every so many instructions. */
#ifndef UPROBE_SAMPLES_H
#define UPROBE_SAMPLES_H

#include "emulator.h"

/* Every so many instructions hit site, or are told to Python if there is none; 0: none do. */
void samples_begin(struct glue *glue, uint64_t every, struct up_site *site);
/* The instruction at address, which the task is at, is done elsewhere: it may be one to sample. */
void samples_look(struct glue *glue, uint64_t address);
/* Takes none as long as this is on. */
void samples_hold(struct glue *glue, bool on);

#endif
