/* From bytes to numbers, fetch programs, fields and filters. */
#include "engine_world.h"

#include <string.h>

uint8_t take_byte(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

size_t take_bytes(struct input *input, void *ret, size_t most)
{
	size_t size = most < input->left ? most : input->left;

	memcpy(ret, input->at, size);
	input->at += size;
	input->left -= size;
	return size;
}

uint64_t take_number(struct input *input)
{
	uint64_t number = 0;

	take_bytes(input, &number, sizeof(number));
	return number;
}

uint64_t take_value(struct input *input)
{
	static const uint64_t known[] = {
		0, 1, 2, 7, 8, 0x7f, 0x80, 0xffff, 0x10000, 0x10008, 0x10ff0, 0x10ffc, 0x10fff, 0x11ff9, 0x11fff,
		0x12000, 0x13000, 0x13010, 0x13ffd, 0x20000, 0x20ff0, 0x20fff, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, 0xfffffffffffffff8, 0xffffffffffffffff, 0x401000, 0x402000,
	};
	uint8_t choice = take_byte(input);

	if (choice >= 200)
		return take_number(input);
	if (choice >= 100)
		return 0x10000 + 16u * choice + take_byte(input);
	return known[choice % (sizeof(known) / sizeof(*known))];
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return to + size;
}

static struct up_op load_op(struct input *input, unsigned captured)
{
	struct up_op op = {.code = (uint8_t)(UP_REG + take_byte(input) % 11), .size = 8};

	if (op.code == UP_REG)
		op.param = take_byte(input) % 36;
	else if (op.code == UP_VREG)
		op.param = take_byte(input) % 33;
	else if (op.code == UP_ENTRY)
		op.param = captured ? (int64_t)(take_byte(input) % captured) : take_byte(input);
	else
		op.param = (int64_t)take_value(input);
	if (op.code == UP_VREG)
		op.size = (uint8_t)(1u << take_byte(input) % 4);
	return op;
}

/* Dereferences, the store, perhaps a bit field, the end. */
static uint8_t *take_ops(struct input *input, uint8_t *to, uint8_t kind, uint8_t size, unsigned *count)
{
	uint8_t shape = take_byte(input);
	struct up_op store = {.code = UP_ST_RAW, .size = size}, end = {.code = UP_END};

	for (unsigned i = 0; i < shape % 4u; i++, ++*count) {
		struct up_op deref = {.code = i & 1 ? UP_UDEREF : UP_DEREF, .param = (int64_t)take_value(input)};
		to = put(to, &deref, sizeof(deref));
	}
	if (kind == 't')
		store.code = shape & 64 ? UP_ST_USTRING : UP_ST_STRING;
	else if (shape & 16)
		store.code = shape & 64 ? UP_ST_UMEM : UP_ST_MEM;
	store.param = shape & 32 ? (int64_t)take_value(input) : 0;
	to = put(to, &store, sizeof(store));
	++*count;
	if (shape & 128 && kind != 't') {
		struct up_op field = {.code = UP_MOD_BF, .size = size, .lshift = take_byte(input) % 66,
				      .rshift = take_byte(input) % 66};
		to = put(to, &field, sizeof(field));
		++*count;
	}
	++*count;
	return put(to, &end, sizeof(end));
}

static uint8_t *take_arg(struct input *input, uint8_t *to, unsigned captured)
{
	static const char kinds[] = "usxcfttt";
	uint8_t *head = to, choice = take_byte(input);
	unsigned count = 1;
	uint8_t kind = (uint8_t)kinds[choice % 8], size = (uint8_t)(1u << (choice >> 3) % 4);
	uint8_t many = choice >> 6 == 3 ? take_byte(input) % 70 : 0;

	if (kind == 't')
		size = 0;
	struct up_op load = load_op(input, captured);
	to = put(to + 8, &load, sizeof(load));
	to = take_ops(input, to, kind, size, &count);
	memset(head, 0, 8);
	memcpy(head, (uint8_t[]){kind, size, many, (uint8_t)count}, 4);
	return to;
}

size_t take_program(struct input *input, uint8_t *ret, unsigned captured)
{
	uint8_t choice = take_byte(input);
	uint32_t count = choice % (MOST_ARGS + 1);
	uint8_t *to = ret + sizeof(count);

	if (choice >= 250)	/* any bytes: mostly refused */
		return take_bytes(input, ret, PACKED_ROOM < 64 ? PACKED_ROOM : 64);
	memcpy(ret, &count, sizeof(count));
	for (uint32_t i = 0; i < count; i++)
		to = take_arg(input, to, captured);
	return (size_t)(to - ret);
}

/* Mostly one that fits; the kinds of arguments are known. */
struct up_field take_field(struct input *input, const struct up_program *program)
{
	struct up_field field = {.source = take_byte(input) % (UP_FIELD_TEXT_SIZE + 2), .kind = 'u'};

	if (field.source == UP_FIELD_COMM)
		field.kind = 't';
	if (field.source != UP_FIELD_ARG)
		return field;
	uint8_t choice = take_byte(input);
	field.arg = choice % (program->count + 1);
	if (field.arg < program->count) {
		uint8_t kind = program->args[field.arg].kind;
		field.kind = kind == 't' || kind == 'f' || kind == 's' ? kind : 'u';
	}
	return field;
}

size_t take_tests(struct input *input, const struct up_program *program, uint8_t *ret)
{
	unsigned count = take_byte(input) % (MOST_TESTS + 1);

	for (unsigned i = 0; i < count; i++) {
		struct up_field field = take_field(input, program);
		uint8_t choice = take_byte(input);
		unsigned compare = field.kind == 't' ? UP_TEXT_EQ + choice % 5u : choice % 7u;
		struct up_test test = {field, (uint8_t)compare, choice / 126u, (uint16_t)(i + take_byte(input) % 4u),
				       choice % 20u, choice >> 5, take_value(input)};
		memcpy(ret + i * sizeof(test), &test, sizeof(test));
	}
	return count * sizeof(struct up_test);
}
