/* Tests in C: each TEST is one of pytest's (test_c_level.py); what does not hold ends the process. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

void add_test(const char *name, void (*run)(void));
_Noreturn void must(const char *condition, const char *file, int line);
/* The same numbers in each run. */
uint64_t next_random(void);

#define MUST(condition) ((condition) ? (void)0 : must(#condition, __FILE__, __LINE__))
#define TEST(name) \
	static void name(void); \
	__attribute__((constructor)) static void add_##name(void) \
	{ \
		add_test(#name, name); \
	} \
	static void name(void)

#endif
