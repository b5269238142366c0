/*
 * What the glue uses of libunicorn 2.1, as a table of function pointers.
 *
 * Nothing is linked and no header of Unicorn is needed: the addresses come
 * from the library that Python has loaded, the numbers are those of
 * include/unicorn/{unicorn,arm64}.h.  glue_module.c checks the version.
 */
#ifndef UPROBE_UNICORN_API_H
#define UPROBE_UNICORN_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct uc_struct uc_engine;

struct uc_api {
	int (*hook_add)(uc_engine *uc, size_t *ret, int type, void *callback, void *data, uint64_t begin,
			uint64_t end, ...);
	int (*hook_del)(uc_engine *uc, size_t hook);
	int (*reg_read)(uc_engine *uc, int reg, void *ret);
	int (*reg_write)(uc_engine *uc, int reg, const void *value);
	int (*emu_start)(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
	int (*emu_stop)(uc_engine *uc);
	int (*ctl)(uc_engine *uc, uint32_t control, ...);
	int (*context_save)(uc_engine *uc, void *context);
	int (*context_restore)(uc_engine *uc, void *context);
	int (*context_reg_write)(void *context, int reg, const void *value);
};

struct uc_tlb_entry {
	uint64_t physical;
	uint32_t perms;
};

enum { UC_HOOK_INTR = 1, UC_HOOK_CODE = 4, UC_HOOK_BLOCK = 8, UC_HOOK_TLB_FILL = 131072 };
enum { UC_MEM_READ = 16, UC_MEM_WRITE = 17, UC_MEM_FETCH = 18 };
enum { UC_REG_X29 = 1, UC_REG_X30 = 2, UC_REG_SP = 4, UC_REG_X0 = 199, UC_REG_V0 = 228, UC_REG_PC = 260,
       UC_REG_PSTATE = 265 };
enum { UC_CTL_TB_REMOVE = 9, UC_CTL_TLB_FLUSH = 11 };
enum { UC_EXCP_SVC = 2, UC_EXCP_BKPT = 7, UC_EXCP_SMC = 13 };
enum { UC_ERR_EXCEPTION = 21 };

static inline uint32_t uc_ctl_write(unsigned control, unsigned arguments)
{
	return UINT32_C(1) << 30 | arguments << 26 | control;
}

#endif
