/* Words that libunicorn 2.1.4 ends the process over. */
#ifndef UPROBE_GLUE_ABORTING_H
#define UPROBE_GLUE_ABORTING_H

#include <stddef.h>
#include <stdint.h>

/* Offset of the first such word in [from, size) of code, whole words from its start; size if there is none. */
size_t aborting_offset(const unsigned char *code, size_t from, size_t size);

#endif
