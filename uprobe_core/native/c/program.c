/*
 * Fetch programs: from the packed form to something that runs fast.
 *
 * The packed form of one argument is a struct up_packed_arg and its operations;
 * uprobe_core.native.packing writes it.  Nothing in it is trusted: what does
 * not fit is refused here, so that running a program needs no checks.
 */
#include "program.h"

#include "register_numbers.h"

#include <string.h>

#include "allocate.h"
#include "source.h"

static bool is_source(uint8_t code)
{
	return (code >= UP_REG && code <= UP_INSNS) || code == UP_JUMPS;
}

static bool is_number_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* The store and what follows it; at is its index. */
static bool decode_store(struct up_arg *arg, const struct up_op *ops, unsigned count, unsigned at)
{
	const struct up_op *store = &ops[at];

	if (at + 1 >= count || store->code < UP_ST_RAW || store->code > UP_ST_USTRING)
		return false;
	arg->store_size = store->size;
	arg->store_offset = store->param;
	arg->from_memory = store->code == UP_ST_MEM || store->code == UP_ST_UMEM;
	bool is_text = store->code == UP_ST_STRING || store->code == UP_ST_USTRING;
	if (is_text != (arg->kind == 't'))
		return false;
	if (arg->from_memory && !is_number_size(store->size))
		return false;
	if (ops[at + 1].code == UP_MOD_BF) {
		arg->has_field = true;
		arg->lshift = ops[at + 1].lshift;
		arg->rshift = ops[at + 1].rshift;
		if (arg->lshift > 63 || arg->rshift > 63)
			return false;
	}
	return true;
}

/* Load, dereferences, store. */
static bool decode_ops(struct up_arg *arg, const struct up_registers *registers, const struct up_op *ops, unsigned count)
{
	if (count < 2 || count > UP_MAX_OPS || !is_source(ops[0].code))
		return false;
	arg->source = ops[0];
	if (ops[0].code == UP_REG && (uint64_t)ops[0].param >= registers->count)
		return false;
	if (ops[0].code == UP_VREG && (uint64_t)ops[0].param >= UP_VECTORS)
		return false;
	if (ops[0].code == UP_ENTRY && (uint64_t)ops[0].param >= UP_MAX_ARGS)
		return false;
	bool is_token = ops[0].code == UP_COMM_TOKEN || ops[0].code == UP_IMMSTR;
	if (is_token && arg->kind != 't')
		return false;
	unsigned at = 1;
	while (at < count && (ops[at].code == UP_DEREF || ops[at].code == UP_UDEREF))
		arg->offsets[arg->derefs++] = ops[at++].param;
	if (at >= count || !decode_store(arg, ops, count, at))
		return false;
	if (arg->count && arg->kind == 't' && arg->derefs == 0 && ops[0].code != UP_IMM)
		return false;
	return !(arg->count && arg->kind != 't' && !arg->from_memory);
}

static bool decode_arg(struct up_arg *arg, const struct up_packed_arg *packed)
{
	arg->kind = packed->kind;
	arg->size = packed->size;
	arg->count = packed->count;
	arg->tells = packed->tells == 1;
	if (arg->count > UP_MAX_ARRAY || !strchr("usxcft", arg->kind) || arg->kind == 0 || packed->tells > 1)
		return false;
	if (arg->kind == 'f')
		return arg->size == 4 || arg->size == 8;
	return arg->kind == 't' ? !arg->tells : is_number_size(arg->size);
}

/* Whether a register is all that arg wants, and how. */
static void simplify(struct up_arg *arg, const struct up_registers *registers)
{
	unsigned bits = 8u * arg->size;
	uint8_t code = arg->source.code;

	if (arg->derefs || arg->store_offset || arg->from_memory || arg->has_field || arg->count || arg->kind == 't' ||
	    (arg->kind == 'f' && arg->size == 4) || arg->tells)
		return;
	if (code != UP_REG && code != UP_RETVAL && code != UP_STACKP)
		return;
	arg->reg = code == UP_REG ? (uint8_t)arg->source.param : code == UP_RETVAL ? registers->result : registers->sp;
	arg->simple = arg->reg != registers->pc;	/* the hit has a PC of its own */
	arg->mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
	arg->sign = arg->kind == 's' && bits < 64 ? UINT64_C(1) << (bits - 1) : 0;
}

static bool decode_all(struct up_program *program, const struct up_registers *registers, const uint8_t *packed,
		       size_t size)
{
	struct up_op ops[UP_MAX_OPS];

	for (unsigned i = 0; i < program->count; i++) {
		struct up_packed_arg head;
		struct up_arg *arg = &program->args[i];
		if (size < sizeof(head))
			return false;
		memcpy(&head, packed, sizeof(head));
		packed += sizeof(head);
		size -= sizeof(head);
		if (head.ops > UP_MAX_OPS || size < head.ops * sizeof(*ops))
			return false;
		memcpy(ops, packed, head.ops * sizeof(*ops));
		packed += head.ops * sizeof(*ops);
		size -= head.ops * sizeof(*ops);
		if (!decode_arg(arg, &head) || !decode_ops(arg, registers, ops, head.ops))
			return false;
		simplify(arg, registers);
		program->simple &= arg->simple;
		arg->cell = (uint16_t)program->cells;
		program->cells += (arg->count ? arg->count : 1) + arg->tells;
		program->texts += arg->kind == 't';
	}
	return size == 0;
}

static enum up_made list_plain(struct up_program *program)
{
	if (!program->simple || !program->count)
		return UP_MADE;
	program->plain = up_allocate_zeroed(program->count, sizeof(*program->plain));
	if (!program->plain)
		return UP_NO_MEMORY;
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_arg *arg = &program->args[i];
		program->plain[i] = (struct up_plain){arg->mask, arg->sign, arg->reg};
	}
	return UP_MADE;
}

enum up_made up_program_init(struct up_program *program, const struct up_registers *registers, const uint8_t *packed,
			     size_t size, unsigned room)
{
	uint32_t count;

	memset(program, 0, sizeof(*program));
	if (size < sizeof(count) || room > UP_MAX_RECORD)
		return UP_REFUSED;
	memcpy(&count, packed, sizeof(count));
	if (count > UP_MAX_ARGS)
		return UP_REFUSED;
	program->count = count;
	program->room = room;
	program->simple = true;
	if (count) {
		program->args = up_allocate_zeroed(count, sizeof(*program->args));
		if (!program->args)
			return UP_NO_MEMORY;
	}
	bool fits = decode_all(program, registers, packed + sizeof(count), size - sizeof(count));
	enum up_made made = fits ? list_plain(program) : UP_REFUSED;
	if (made != UP_MADE)
		up_program_deinit(program);
	return made;
}

void up_program_deinit(struct up_program *program)
{
	free(program->args);
	free(program->plain);
	memset(program, 0, sizeof(*program));
}

/* Whether value number cell is a string. */
static bool is_text_cell(const struct up_program *program, uint64_t cell)
{
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_arg *arg = &program->args[i];
		if (cell >= arg->cell && cell < arg->cell + (arg->count ? arg->count : 1u))
			return arg->kind == 't';
	}
	return false;
}

bool up_program_finds(const struct up_program *program, const struct up_program *capture)
{
	for (unsigned i = 0; i < program->count; i++) {
		const struct up_arg *arg = &program->args[i];
		uint64_t cell = (uint64_t)arg->source.param;
		if (arg->source.code != UP_ENTRY)
			continue;
		if (cell >= capture->cells || (arg->kind == 't' && !arg->derefs && !is_text_cell(capture, cell)))
			return false;
	}
	return true;
}

void up_program_give(struct up_program *program)
{
	for (unsigned i = 0; i < program->count; i++)
		program->args[i].simple = false;
	program->simple = program->count == 0;
}
