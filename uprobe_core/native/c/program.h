/* Fetch programs: what the arguments of an event are read by. */
#ifndef UPROBE_PROGRAM_H
#define UPROBE_PROGRAM_H

#include "numbers.h"

/* The operations of uprobe_core.event_model.OpCode. */
enum up_op_code {
	UP_END = 0,
	UP_REG = 1,
	UP_STACK = 2,
	UP_STACKP = 3,
	UP_RETVAL = 4,
	UP_IMM = 5,
	UP_COMM_TOKEN = 6,
	UP_FOFFS = 7,
	UP_IMMSTR = 8,
	UP_VREG = 9,
	UP_ENTRY = 10,
	UP_LATENCY = 11,
	UP_INSNS = 12,
	UP_JUMPS = 14,
	UP_DEREF = 16,
	UP_UDEREF = 17,
	UP_ST_RAW = 24,
	UP_ST_MEM = 25,
	UP_ST_UMEM = 26,
	UP_ST_STRING = 27,
	UP_ST_USTRING = 28,
	UP_MOD_BF = 32,
	UP_LP_ARRAY = 33,
};

/* One operation as FetchOp.pack writes it (OP_FORMAT), little endian. */
struct up_op {
	uint8_t code, size, lshift, rshift;
	uint32_t reserved;
	int64_t param;
};
#define UP_OP_LAYOUT "<BBBBIq"
_Static_assert(sizeof(struct up_op) == 16, "UP_OP_LAYOUT");

/* How an argument is packed: this, then its operations. */
struct up_packed_arg {
	uint8_t kind, size, count, ops;
	uint32_t tells;		/* 1: whether it could be read is a value of its own, behind the others */
};
#define UP_ARG_LAYOUT "<BBBBI"
_Static_assert(sizeof(struct up_packed_arg) == 8, "UP_ARG_LAYOUT");

/* One argument, decoded.  events/fetch_run.py is the reference. */
struct up_arg {
	uint8_t kind;		/* 'u' 's' 'x' 'c' 'f', or 't' for text */
	uint8_t size;		/* bytes of the type */
	uint8_t count;		/* elements, 0: no array */
	uint8_t derefs;
	bool from_memory;	/* the store reads memory */
	bool has_field;		/* a bit field */
	uint8_t store_size;
	uint8_t lshift, rshift;
	uint16_t cell;		/* index of its first value */
	bool tells;		/* behind its values stands whether they could not be read */
	bool simple;		/* a register, masked and sign-extended, is all */
	uint8_t reg;		/* of a simple one */
	uint64_t mask, sign;	/* ((x & mask) ^ sign) - sign is the value of a simple one */
	struct up_op source;
	int64_t offsets[UP_MAX_OPS];	/* of the dereferences, in order */
	int64_t store_offset;
};

/* What a simple argument is, close together: records of many are written fast. */
struct up_plain {
	uint64_t mask, sign;
	uint64_t reg;
};

struct up_program {
	unsigned count;		/* arguments */
	unsigned cells;		/* values: one for each scalar or element, and those of arguments that tell */
	unsigned room;		/* bytes that strings may take */
	unsigned texts;		/* string arguments */
	bool simple;		/* all arguments are */
	struct up_arg *args;
	struct up_plain *plain;	/* by argument, if all are simple */
};

struct up_registers;

/* Packed: uint32_t count, then the arguments; all is checked.  room: bytes that strings may take. */
enum up_made up_program_init(struct up_program *program, const struct up_registers *registers, const uint8_t *packed,
			     size_t size, unsigned room);
void up_program_deinit(struct up_program *program);
/* Whether what the program takes of an entry is among what capture keeps of it. */
bool up_program_finds(const struct up_program *program, const struct up_program *capture);
/* From now on its values are given: nothing is read from registers in place of them. */
void up_program_give(struct up_program *program);

#endif
