/* How often blocks were entered, counted by their own translated code. */
#ifndef UPROBE_TALLY_H
#define UPROBE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally {
	uint64_t pc;
	uint64_t times;		/* since they were taken last */
	uint32_t size;		/* of the block in bytes */
	uint32_t number;	/* from 1 on */
};

/* So many blocks have one; memory is used for those that there are. */
enum { MOST_TALLIES = 1 << 22 };

/* Who keeps them. */
struct tally_keeper {
	/* That of a block, in tallies; NULL: there is no room. */
	struct tally *(*of_block)(void *context, uint64_t pc, unsigned size);
	void *context;
	struct tally *tallies;
	uint32_t *last;		/* number of the program's block that was entered last; 0: there was none */
	bool full;		/* there was no room for some */
};

struct shortcuts;

/* Memory for tallies and code that counts in the reach of translated code, tallies first; NULL: there is none. */
void *tallies_reserve(const unsigned char *code);
void tallies_release(void *tallies);
/*
 * Code for a block of so many instructions that ends at end, which jumps to it: counts the entry and the
 * instructions, and goes on at back with the sign of what is left.  NULL: there is no room.
 */
unsigned char *write_tally(struct shortcuts *shortcuts, struct tally *tally, unsigned count, uint16_t end,
			   const unsigned char *back);

#endif
