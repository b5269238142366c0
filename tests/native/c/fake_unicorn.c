#include "fake_unicorn.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "run.h"

static struct fake *fake_of(uc_engine *uc)
{
	return (struct fake *)(void *)uc;
}

static int hook_add(uc_engine *uc, size_t *ret, int type, void *callback, void *data, uint64_t begin, uint64_t end, ...)
{
	struct fake *fake = fake_of(uc);

	if (fake->refuse && !--fake->refuse)
		return 1;
	for (unsigned i = 0; i < FAKE_HOOKS; i++)
		if (!fake->hooks[i].type) {
			fake->hooks[i] = (struct fake_hook){type, callback, data, begin, end};
			*ret = i + 1;
			return 0;
		}
	return 1;
}

static int hook_del(uc_engine *uc, size_t hook)
{
	struct fake *fake = fake_of(uc);

	MUST(hook >= 1 && hook <= FAKE_HOOKS && fake->hooks[hook - 1].type);
	fake->hooks[hook - 1].type = 0;
	return 0;
}

static uint64_t *register_at(struct fake *fake, int reg)
{
	static uint64_t vectors[2] = {0x1122334455667788, 0};

	switch (reg) {
	case UC_REG_X29:
		return &fake->registers[29];
	case UC_REG_X30:
		return &fake->registers[30];
	case UC_REG_SP:
		return &fake->registers[GLUE_SP];
	case UC_REG_PC:
		return &fake->registers[GLUE_PC];
	case UC_REG_PSTATE:
		return &fake->registers[33];
	case UC_REG_V0:
		return vectors;
	default:
		MUST(reg >= UC_REG_X0 && reg < UC_REG_X0 + 29);
		return &fake->registers[reg - UC_REG_X0];
	}
}

static int reg_read(uc_engine *uc, int reg, void *ret)
{
	memcpy(ret, register_at(fake_of(uc), reg), reg == UC_REG_V0 ? 16 : 8);
	return 0;
}

static int reg_write(uc_engine *uc, int reg, const void *value)
{
	memcpy(register_at(fake_of(uc), reg), value, 8);
	return 0;
}

static int emu_start(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)
{
	struct fake *fake = fake_of(uc);

	(void)until;
	(void)timeout;
	(void)count;
	fake->registers[GLUE_PC] = begin;
	return fake->script ? fake->script(fake, begin) : 0;
}

static int emu_stop(uc_engine *uc)
{
	fake_of(uc)->stopped++;
	return 0;
}

static int ctl(uc_engine *uc, uint32_t control, ...)
{
	struct fake *fake = fake_of(uc);

	if ((control & 0xffff) == UC_CTL_TB_REMOVE)
		fake->forgotten++;
	else if ((control & 0xffff) == UC_CTL_TLB_FLUSH)
		fake->flushed++;
	return 0;
}

static bool fill(void *context, uint64_t address, int access, struct uc_tlb_entry *ret)
{
	(void)access;
	(void)ret;
	((struct fake *)context)->refused_fill = address;
	return false;
}

static bool inline_hook(void *context, uint64_t address)
{
	struct fake *fake = context;

	(void)address;
	fake->python_hooks++;
	return fake->python_stops;
}

struct fake *fake_open(struct up_engine *engine)
{
	static const struct up_api api = {UP_ABI, up_site_hit, up_return_hit, up_trampoline_hit,
					 up_sample_hit, up_task_run};
	struct fake *fake = calloc(1, sizeof(*fake));

	MUST(fake);
	fake->engine = engine;
	fake->glue = (struct glue){
		.uc = {hook_add, hook_del, reg_read, reg_write, emu_start, emu_stop, ctl},
		.engine_handle = (uc_engine *)(void *)fake,
		.api = &api, .engine = engine, .arena = fake->memory, .arena_size = FAKE_MEMORY,
		.context = fake, .fill = fill, .inline_hook = inline_hook,
	};
	MUST(glue_init(&fake->glue));
	return fake;
}

void fake_close(struct fake *fake)
{
	glue_deinit(&fake->glue);
	free(fake);
}

void fake_reach(struct fake *fake, int type, uint64_t address)
{
	typedef void function(uc_engine *uc, uint64_t address, uint32_t size, void *data);

	fake->registers[GLUE_PC] = address;
	for (unsigned i = 0; i < FAKE_HOOKS; i++) {
		const struct fake_hook *hook = &fake->hooks[i];
		bool everywhere = hook->begin > hook->end;
		if (hook->type == type && (everywhere || (address >= hook->begin && address <= hook->end)))
			((function *)(uintptr_t)hook->callback)((uc_engine *)(void *)fake, address, 4, hook->data);
	}
}

void fake_interrupt(struct fake *fake, uint32_t number)
{
	typedef void function(uc_engine *uc, uint32_t number, void *data);

	for (unsigned i = 0; i < FAKE_HOOKS; i++)
		if (fake->hooks[i].type == UC_HOOK_INTR)
			((function *)(uintptr_t)fake->hooks[i].callback)((uc_engine *)(void *)fake, number, fake->hooks[i].data);
}

bool fake_fill(struct fake *fake, uint64_t address, int type, struct uc_tlb_entry *ret)
{
	typedef bool function(uc_engine *uc, uint64_t address, int type, struct uc_tlb_entry *ret, void *data);

	for (unsigned i = 0; i < FAKE_HOOKS; i++)
		if (fake->hooks[i].type == UC_HOOK_TLB_FILL)
			return ((function *)(uintptr_t)fake->hooks[i].callback)((uc_engine *)(void *)fake, address, type, ret,
										fake->hooks[i].data);
	return false;
}

unsigned fake_hooks(const struct fake *fake, int type)
{
	unsigned found = 0;

	for (unsigned i = 0; i < FAKE_HOOKS; i++)
		found += fake->hooks[i].type == type;
	return found;
}
