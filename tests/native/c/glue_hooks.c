/* What the emulator's callbacks do with a hit, an interrupt, a block, a page. */
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fake_unicorn.h"
#include "fills.h"
#include "hooks.h"
#include "places_table.h"
#include "registers.h"
#include "run.h"
#include "slots.h"
#include "watch.h"
#include "world.h"

/* A world whose task is the fake emulator's. */
struct stage {
	struct world world;
	struct fake *fake;
	struct place place;
};

static void stage_init(struct stage *stage)
{
	world_init(&stage->world);
	stage->world.engine.registers = (struct up_registers){.count = GLUE_PSTATE + 1, .sp = GLUE_SP, .pc = GLUE_PC,
							       .link = 30, .frame = 29, .width = 8};
	MUST(up_registers_prepare(&stage->world.engine.registers));
	stage->fake = fake_open(&stage->world.engine);
	stage->place = (struct place){.address = stage->world.site.address, .site = &stage->world.site,
				      .glue = &stage->fake->glue};
	stage->fake->registers[GLUE_SP] = 0x8000;
	stage->fake->registers[30] = 0x500;
}

static void stage_deinit(struct stage *stage)
{
	fake_close(stage->fake);
	world_deinit(&stage->world);
}

TEST(a_code_hook_brings_the_hit_to_the_engine)
{
	struct stage stage;

	stage_init(&stage);
	stage.world.probe.wants_returns = false;
	up_site_prepare(&stage.world.site);
	MUST(!glue_add_inline(&stage.fake->glue, &stage.place, false));
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address);
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address + 4);
	MUST(stage.world.probe.hits == 1 && !stage.fake->stopped);
	glue_remove_inline(&stage.fake->glue, &stage.place);
	MUST(!fake_hooks(stage.fake, UC_HOOK_CODE));
	stage_deinit(&stage);
}

TEST(a_return_address_seen_first_ends_the_run_so_that_it_can_be_watched)
{
	struct stage stage;

	stage_init(&stage);
	struct glue *glue = &stage.fake->glue;
	MUST(!glue_add_inline(glue, &stage.place, false));
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address);
	MUST(glue->event == GLUE_HOOK && glue->hook_address == stage.place.address);
	MUST(glue->wanted_count == 1 && glue->wanted[0] == 0x500 && stage.fake->stopped);
	stage_deinit(&stage);
}

TEST(a_watched_return_address_brings_the_return)
{
	struct stage stage;

	stage_init(&stage);
	struct glue *glue = &stage.fake->glue;
	struct place back = {.address = 0x500, .watched = true, .glue = glue};
	MUST(table_add(glue, &back));
	MUST(!glue_add_inline(glue, &stage.place, false) && !glue_add_inline(glue, &back, false));
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address);
	fake_reach(stage.fake, UC_HOOK_BLOCK, 0x500);
	MUST(stage.world.probe.returns == 1 && !glue->wanted_count && !stage.fake->stopped);
	stage_deinit(&stage);
}

TEST(a_trap_goes_on_in_its_slot)
{
	struct stage stage;

	stage_init(&stage);
	struct glue *glue = &stage.fake->glue;
	stage.world.probe.wants_returns = false;
	up_site_prepare(&stage.world.site);
	struct area *area = area_create(glue, 0x400000, 0x8000, 4);
	MUST(area_add(area, &stage.place, 0xd503201f) && table_add(glue, &stage.place));
	stage.fake->registers[GLUE_PC] = stage.place.address;
	fake_interrupt(stage.fake, UC_EXCP_BKPT);
	MUST(stage.world.probe.hits == 1 && stage.fake->registers[GLUE_PC] == stage.place.tail);
	stage_deinit(&stage);
}

TEST(a_breakpoint_of_the_program_is_not_ours)
{
	struct stage stage;

	stage_init(&stage);
	stage.fake->registers[GLUE_PC] = 0x1234;
	fake_interrupt(stage.fake, UC_EXCP_BKPT);
	MUST(stage.fake->glue.event == GLUE_BREAK && stage.fake->stopped == 1);
	stage_deinit(&stage);
}

TEST(interrupts_end_the_run_with_their_event)
{
	static const struct {
		uint32_t number;
		int event;
	} rows[] = {{UC_EXCP_SVC, GLUE_SYSCALL}, {UC_EXCP_BKPT, GLUE_BREAK}, {4, GLUE_ALIGN}, {1, GLUE_UNDEFINED}};

	for (unsigned i = 0; i < 4; i++) {
		struct fake *fake = fake_open(NULL);
		fake_interrupt(fake, rows[i].number);
		MUST(fake->glue.event == rows[i].event && fake->glue.interrupt == rows[i].number && fake->stopped == 1);
		fake_close(fake);
	}
}

TEST(a_hook_of_python_stops_when_it_says_so)
{
	struct fake *fake = fake_open(NULL);
	size_t hook;

	fake->glue.uc.hook_add(fake->glue.engine_handle, &hook, UC_HOOK_CODE, glue_python_hook(), &fake->glue, 0x400, 0x400);
	fake_reach(fake, UC_HOOK_CODE, 0x400);
	MUST(fake->python_hooks == 1 && !fake->stopped);
	fake->python_stops = true;
	fake_reach(fake, UC_HOOK_CODE, 0x400);
	MUST(fake->stopped == 1 && fake->glue.event == GLUE_HOOK && fake->glue.hook_address == 0x400);
	fake_close(fake);
}

static int run_blocks(struct fake *fake, uint64_t pc)
{
	for (uint64_t at = pc; !fake->stopped; at += 4) {
		fake->registers[GLUE_PC] = at;
		fake_reach(fake, UC_HOOK_BLOCK, at);
	}
	return 0;
}

TEST(a_slice_ends_behind_the_first_branch_after_its_budget)
{
	struct fake *fake = fake_open(NULL);
	const uint32_t branch = 0x14000001;

	fake->script = run_blocks;
	extents_add(&fake->glue.code, (struct extent){0x1000, 0x2000, 0x1000, PERM_EXEC});
	memcpy(fake->memory + 0x1010, &branch, sizeof(branch));	/* the fifth instruction: before its end */
	memcpy(fake->memory + 0x1030, &branch, sizeof(branch));
	MUST(fake_hooks(fake, UC_HOOK_BLOCK) == 1);
	MUST(!glue_run(&fake->glue, 0x1000, 0, 0, 10));
	MUST(fake->glue.event == GLUE_SLICE && fake->glue.work.seen == 13 && fake->registers[GLUE_PC] == 0x1034);
	fake_close(fake);
}

TEST(a_run_that_is_asked_to_stop_ends_before_the_next_block_when_it_asks_for_more)
{
	struct fake *fake = fake_open(NULL);

	fake->script = run_blocks;
	fake->glue.stop = true;
	MUST(!glue_run(&fake->glue, 0x1000, 0, 0, UINT64_MAX));
	MUST(fake->glue.event == GLUE_STOP && fake->glue.work.seen == MOST_WORK);
	fake_close(fake);
}

TEST(what_was_delivered_before_the_run_is_passed_over_once)
{
	struct stage stage;

	stage_init(&stage);
	struct glue *glue = &stage.fake->glue;
	stage.world.probe.wants_returns = false;
	up_site_prepare(&stage.world.site);
	MUST(table_add(glue, &stage.place) && !glue_add_inline(glue, &stage.place, false));
	MUST(!glue_run(glue, stage.place.address, stage.place.address, 0, UINT64_MAX));
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address);
	MUST(stage.world.probe.hits == 0);
	fake_reach(stage.fake, UC_HOOK_CODE, stage.place.address);
	MUST(stage.world.probe.hits == 1);
	stage_deinit(&stage);
}

static int run_into_nothing(struct fake *fake, uint64_t pc)
{
	(void)pc;
	fake->registers[GLUE_PC] = 0x400004;
	fake_interrupt(fake, 1);
	return 0;
}

TEST(a_jump_into_an_empty_slot_faults_as_if_nothing_were_there)
{
	struct fake *fake = fake_open(NULL);

	area_create(&fake->glue, 0x400000, 0x8000, 4);
	fake->script = run_into_nothing;
	MUST(glue_run(&fake->glue, 0x1000, 0, 0, UINT64_MAX) == UC_ERR_EXCEPTION);
	MUST(fake->glue.event == GLUE_NONE && fake->glue.refused == PERM_EXEC && fake->glue.refused_page == 0x400000);
	fake_close(fake);
}

TEST(a_page_that_nobody_knows_is_refused_and_remembered)
{
	struct fake *fake = fake_open(NULL);
	struct uc_tlb_entry entry;

	MUST(!fake_fill(fake, 0x5123, UC_MEM_WRITE, &entry));
	MUST(fake->glue.refused == PERM_WRITE && fake->glue.refused_page == 0x5000 && fake->glue.slow_fills == 1);
	fake_close(fake);
}

TEST(code_and_data_are_translated_apart_and_tags_are_ignored)
{
	struct fake *fake = fake_open(NULL);
	struct uc_tlb_entry entry;

	extents_add(&fake->glue.data, (struct extent){0x5000, 0x6000, 0x1000, PERM_READ});
	extents_add(&fake->glue.code, (struct extent){0x5000, 0x6000, 0x2000, PERM_EXEC});
	MUST(fake_fill(fake, 0x5008, UC_MEM_READ, &entry) && entry.physical == 0x1000);
	MUST(fake_fill(fake, UINT64_C(0xab) << 56 | 0x5008, UC_MEM_READ, &entry) && entry.physical == 0x1000);
	MUST(fake_fill(fake, 0x5008, UC_MEM_FETCH, &entry) && entry.physical == 0x2000);
	MUST(!fake_fill(fake, 0x5008, UC_MEM_WRITE, &entry));
	fake_close(fake);
}

TEST(the_window_onto_physical_memory_is_there_only_while_translations_are_forgotten)
{
	const uint64_t window = UINT64_C(1) << 52;
	struct fake *fake = fake_open(NULL);
	struct uc_tlb_entry entry;

	MUST(!fake_fill(fake, window + 0x3000, UC_MEM_READ, &entry));
	fake->glue.forgetting = true;
	MUST(fake_fill(fake, window + 0x3000, UC_MEM_READ, &entry) && entry.physical == 0x3000);
	fake_close(fake);
}

TEST(many_fills_make_the_emulators_own_table_grow)
{
	struct fake *fake = fake_open(NULL);
	struct uc_tlb_entry entry;

	extents_add(&fake->glue.data, (struct extent){0, 1 << 30, 0, PERM_READ});
	for (uint64_t page = 0; page <= FIRST_TLB; page++)
		MUST(fake_fill(fake, page << 12, UC_MEM_READ, &entry));
	MUST(fake->flushed == 1 && fake->glue.grow_at == 2 * FIRST_TLB && fake->glue.fills == 0);
	fake_close(fake);
}

TEST(memory_is_read_up_to_the_first_byte_that_the_program_could_not_read)
{
	struct fake *fake = fake_open(NULL);
	char bytes[64];

	extents_add(&fake->glue.data, (struct extent){0x5000, 0x6000, 0x1000, PERM_READ});
	memset(fake->memory + 0x1ff0, 7, 16);
	MUST(glue_read(&fake->glue, 0x5ff0, bytes, sizeof(bytes)) == 16 && bytes[0] == 7 && bytes[15] == 7);
	MUST(glue_read(&fake->glue, 0x9000, bytes, sizeof(bytes)) == 0);
	fake_close(fake);
}

TEST(registers_have_the_engines_numbers)
{
	struct fake *fake = fake_open(NULL);
	struct up_source source = glue_source(&fake->glue);

	for (unsigned i = 0; i <= GLUE_PC; i++) {
		source.set_reg(source.context, i, 0x1000 + i);
		MUST(fake->registers[i] == 0x1000 + i && source.reg(source.context, i) == 0x1000 + i);
	}
	MUST(source.vector(source.context, 0) == 0x1122334455667788);
	fake_close(fake);
}

TEST(registers_that_lie_nowhere_are_asked_for)
{
	struct fake *fake = fake_open(NULL);

	for (unsigned i = 0; i <= GLUE_PC; i++)
		fake->registers[i] = 0x1000 + i;
	glue_find_registers(&fake->glue);
	const uint64_t *found = fake->glue.source.registers;
	MUST(!found || found == fake->registers);
	for (unsigned i = 0; i <= GLUE_PC; i++)
		MUST(fake->registers[i] == 0x1000 + i);
	fake_close(fake);
}

static void wait_for(const _Atomic bool *flag)
{
	const struct timespec moment = {0, 1000000};

	for (unsigned i = 0; i < 5000 && !*flag; i++)
		nanosleep(&moment, NULL);
	MUST(*flag);
}

/* A thread that watches one descriptor; final: the run is to end then. */
static void watch_one(bool final)
{
	struct fake *fake = fake_open(NULL);
	int end[2], outside[2];

	MUST(!pipe(end) && !pipe(outside));
	struct watch watch = {.count = 2, .first_final = final ? 1 : 2};
	watch.polls[0].fd = end[0];
	watch.polls[1].fd = outside[0];
	MUST(watch_start(&watch, &fake->glue));
	MUST(write(outside[1], "x", 1) == 1);
	wait_for(&watch.rung);
	wait_for(&fake->glue.stop);
	MUST(write(end[1], "x", 1) == 1);
	watch_join(&watch);
	MUST((fake->stopped != 0) == final);
	for (unsigned i = 0; i < 2; i++) {
		close(end[i]);
		close(outside[i]);
	}
	fake_close(fake);
}

TEST(what_happens_outside_stops_the_run_at_the_next_block)
{
	watch_one(false);
}

TEST(what_ends_the_run_stops_the_emulator)
{
	watch_one(true);
}
