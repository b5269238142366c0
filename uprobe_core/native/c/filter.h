/* Values of a hit by name, and conditions on them. */
#ifndef UPROBE_FILTER_H
#define UPROBE_FILTER_H

#include "fetch.h"

enum up_field_source { UP_FIELD_ARG, UP_FIELD_PID, UP_FIELD_TID, UP_FIELD_COMM, UP_FIELD_ADDRESS,
		       UP_FIELD_LATENCY, UP_FIELD_PC, UP_FIELD_ZERO, UP_FIELD_STACK, UP_FIELD_TEXT_SIZE };

/* A value of a hit.  kind as in up_arg; 's' for signed, 'u' for the rest, 'f' double, 't' text, 'k' stack,
   whose arg is how many frames at most. */
struct up_field {
	uint8_t source, kind;
	uint16_t arg;
};
#define UP_FIELD_LAYOUT "<BBH"
_Static_assert(sizeof(struct up_field) == 4, "UP_FIELD_LAYOUT");

struct up_text {
	const char *bytes;	/* NULL: unreadable */
	size_t size;
};

bool up_field_is_valid(struct up_field field, const struct up_program *program);
uint64_t up_field_number(struct up_hit *hit, struct up_field field);
struct up_text up_field_text(struct up_hit *hit, struct up_field field);

enum up_compare { UP_EQ, UP_NE, UP_LT, UP_LE, UP_GT, UP_GE, UP_AND, UP_TEXT_EQ, UP_TEXT_HEAD, UP_TEXT_TAIL,
		  UP_TEXT_INSIDE, UP_TEXT_GLOB };

/* One step of a branching program: if the test's truth is when, go to target + 1, else to the next. */
struct up_test {
	struct up_field field;
	uint8_t compare;
	uint8_t when;
	uint16_t target;
	uint32_t text_at, text_size;	/* operand in the filter's texts */
	uint64_t value;			/* number or double, as the field's kind says */
};
#define UP_TEST_LAYOUT "<BBHB?HIIQ"
_Static_assert(sizeof(struct up_test) == 24, "UP_TEST_LAYOUT");

struct up_filter {
	unsigned count;
	struct up_test *tests;
	char *texts;
};

/* packed: an array of struct up_test; a jump may only go forward. */
enum up_made up_filter_init(struct up_filter *filter, const uint8_t *packed, size_t size, const char *texts,
			    size_t texts_size, const struct up_program *program);
void up_filter_deinit(struct up_filter *filter);
/* Whether the filter may look at the values of program, for which it was not made. */
bool up_filter_fits(const struct up_filter *filter, const struct up_program *program);
bool up_filter_accepts(const struct up_filter *filter, struct up_hit *hit);

#endif
