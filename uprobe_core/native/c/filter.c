/*
 * Filters: the kernel's branching programs, over the lazily fetched values of a hit.
 *
 * events/filters.py compiles and is the reference; native/packing.py packs.
 */
#include "filter.h"

#include <string.h>

#include "allocate.h"
#include "calls.h"
#include "stacks.h"
#include "texts.h"

uint64_t up_field_number(struct up_hit *hit, struct up_field field)
{
	switch (field.source) {
	case UP_FIELD_ARG:
		return up_number(hit, field.arg);
	case UP_FIELD_PID:
		return hit->task->pid;
	case UP_FIELD_TID:
		return hit->task->tid;
	case UP_FIELD_ADDRESS:
		return hit->address;
	case UP_FIELD_LATENCY:
		return hit->latency;
	case UP_FIELD_PC:
		return hit->pc;
	case UP_FIELD_TEXT_SIZE:
		up_fetch_texts(hit);
		return hit->area_size;
	default:
		return 0;
	}
}

struct up_text up_field_text(struct up_hit *hit, struct up_field field)
{
	if (field.source == UP_FIELD_COMM)
		return (struct up_text){hit->task->comm, hit->task->comm_size};
	up_fetch_texts(hit);
	uint64_t cell = hit->cells[hit->program->args[field.arg].cell];
	if (cell == UP_NO_TEXT)
		return (struct up_text){NULL, 0};
	return (struct up_text){hit->area + (cell >> 32), (uint32_t)cell};
}

bool up_field_is_valid(struct up_field field, const struct up_program *program)
{
	if (field.source > UP_FIELD_TEXT_SIZE || (field.kind == 'k') != (field.source == UP_FIELD_STACK))
		return false;
	if (field.source == UP_FIELD_STACK)
		return field.arg && field.arg <= UP_STACK_MAX;
	if (field.source != UP_FIELD_ARG)
		return (field.kind == 't') == (field.source == UP_FIELD_COMM);
	if (field.arg >= program->count)
		return false;
	const struct up_arg *arg = &program->args[field.arg];
	return !arg->count && (arg->kind == 't') == (field.kind == 't') &&
	       (arg->kind == 'f') == (field.kind == 'f');
}

static bool is_valid_test(const struct up_test *test, unsigned count, size_t texts_size,
			  const struct up_program *program)
{
	if (!up_field_is_valid(test->field, program) || test->compare > UP_TEXT_GLOB || test->target > count)
		return false;
	if (test->field.kind == 'k' || (test->compare >= UP_TEXT_EQ) != (test->field.kind == 't') || test->when > 1)
		return false;
	return (size_t)test->text_at + test->text_size <= texts_size;
}

enum up_made up_filter_init(struct up_filter *filter, const uint8_t *packed, size_t size, const char *texts,
			    size_t texts_size, const struct up_program *program)
{
	memset(filter, 0, sizeof(*filter));
	if (size % sizeof(struct up_test) || size / sizeof(struct up_test) > UINT16_MAX)
		return UP_REFUSED;
	filter->count = (unsigned)(size / sizeof(struct up_test));
	filter->tests = up_allocate(size ? size : 1);
	filter->texts = up_allocate(texts_size ? texts_size : 1);
	if (!filter->tests || !filter->texts) {
		up_filter_deinit(filter);
		return UP_NO_MEMORY;
	}
	memcpy(filter->tests, packed, size);
	memcpy(filter->texts, texts, texts_size);
	for (unsigned i = 0; i < filter->count; i++) {
		const struct up_test *test = &filter->tests[i];
		if (!is_valid_test(test, filter->count, texts_size, program) || test->target + 1u <= i) {
			up_filter_deinit(filter);
			return UP_REFUSED;
		}
	}
	return UP_MADE;
}

bool up_filter_fits(const struct up_filter *filter, const struct up_program *program)
{
	for (unsigned i = 0; i < filter->count; i++)
		if (!up_field_is_valid(filter->tests[i].field, program))
			return false;
	return true;
}

void up_filter_deinit(struct up_filter *filter)
{
	free(filter->tests);
	free(filter->texts);
	memset(filter, 0, sizeof(*filter));
}

static bool compare_signed(enum up_compare compare, int64_t a, int64_t b)
{
	switch (compare) {
	case UP_LT: return a < b;
	case UP_LE: return a <= b;
	case UP_GT: return a > b;
	default: return a >= b;
	}
}

static bool compare_unsigned(enum up_compare compare, uint64_t a, uint64_t b)
{
	switch (compare) {
	case UP_LT: return a < b;
	case UP_LE: return a <= b;
	case UP_GT: return a > b;
	default: return a >= b;
	}
}

static bool compare_double(enum up_compare compare, uint64_t a_bits, uint64_t b_bits)
{
	double a, b;

	memcpy(&a, &a_bits, sizeof(a));
	memcpy(&b, &b_bits, sizeof(b));
	switch (compare) {
	case UP_EQ: return a == b;
	case UP_NE: return a != b;
	case UP_LT: return a < b;
	case UP_LE: return a <= b;
	case UP_GT: return a > b;
	case UP_GE: return a >= b;
	default: return false;
	}
}

static bool test_number(const struct up_test *test, struct up_hit *hit)
{
	uint64_t value = up_field_number(hit, test->field);

	if (test->field.kind == 'f')
		return compare_double(test->compare, value, test->value);
	switch (test->compare) {
	case UP_EQ:
		return value == test->value;
	case UP_NE:
		return value != test->value;
	case UP_AND:
		return (value & test->value) != 0;
	default:
		if (test->field.kind == 's')
			return compare_signed(test->compare, (int64_t)value, (int64_t)test->value);
		return compare_unsigned(test->compare, value, test->value);
	}
}

static bool is_inside(const char *needle, size_t needle_size, const char *text, size_t size)
{
	for (size_t i = 0; i + needle_size <= size; i++)
		if (!memcmp(text + i, needle, needle_size))
			return true;
	return false;
}

/* Whether text is what pattern describes; only * is special here. */
static bool matches_glob(const char *pattern, size_t pattern_size, const char *text, size_t text_size)
{
	size_t at = 0, here = 0, star = SIZE_MAX, star_at = 0;

	while (at < text_size) {
		if (here < pattern_size && pattern[here] == '*') {
			star = ++here;
			star_at = at;
		} else if (here < pattern_size && pattern[here] == text[at]) {
			here++;
			at++;
		} else if (star != SIZE_MAX) {
			here = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (here < pattern_size && pattern[here] == '*')
		here++;
	return here == pattern_size;
}

/* An unreadable string compares as an empty one, but ends in nothing (filter_match.py). */
static bool test_text(const struct up_filter *filter, const struct up_test *test, struct up_hit *hit)
{
	struct up_text text = up_field_text(hit, test->field);
	const char *operand = filter->texts + test->text_at;
	size_t size = test->text_size, text_size = text.bytes ? text.size : 0;
	const char *bytes = text.bytes ? text.bytes : "";

	switch (test->compare) {
	case UP_TEXT_EQ:
		return text_size == size && !memcmp(bytes, operand, size);
	case UP_TEXT_HEAD:
		return text_size >= size && !memcmp(bytes, operand, size);
	case UP_TEXT_TAIL:
		return text.bytes && text_size >= size && !memcmp(bytes + text_size - size, operand, size);
	case UP_TEXT_INSIDE:
		return is_inside(operand, size, bytes, text_size);
	default:
		return matches_glob(operand, size, bytes, text_size);
	}
}

/* The step after the last one is "accept", the one after that "reject". */
bool up_filter_accepts(const struct up_filter *filter, struct up_hit *hit)
{
	unsigned at = 0;

	while (at < filter->count) {
		const struct up_test *test = &filter->tests[at];
		bool truth = test->compare >= UP_TEXT_EQ ? test_text(filter, test, hit) : test_number(test, hit);
		at = truth == test->when ? test->target + 1u : at + 1;
	}
	return at == filter->count;
}
