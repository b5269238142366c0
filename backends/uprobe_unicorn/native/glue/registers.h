/* Where libunicorn keeps registers. */
#ifndef UPROBE_REGISTERS_H
#define UPROBE_REGISTERS_H

struct glue;

/* Sets source.registers if they can be found; all registers have what they had before. */
void glue_find_registers(struct glue *glue);

#endif
