/* Builds of libunicorn whose insides are known. */
#ifndef UPROBE_BUILDS_H
#define UPROBE_BUILDS_H

/*
 * Where one build keeps what is needed: offsets in bytes from its CPUARMState
 * (env), from its uc_engine and from its TCGContext.  They were read from the
 * machine code of cpu_get_tb_cpu_state, helper_lookup_tb_ptr,
 * helper_check_exit_request, tlb_flush_by_mmuidx, tlb_reset_dirty_by_vaddr, tb_flush
 * and cpu_exec.
 * env_left is its icount_decr, which nothing but the request to stop uses; env_end
 * are two bytes that nothing uses, those that fill up to the alignment of env.
 */
struct layout {
	unsigned char build[20];
	int env_registers, env_pc, env_hflags, env_btype, env_uc, env_left, env_end, env_blocks, env_flushes,
	    env_tlbs, env_victims;
	unsigned uc_cpu, uc_context, uc_no_checks, uc_last_block, cpu_env;
	unsigned context_epilogue, context_invalidated, context_flushes, context_uc;
	unsigned block_code, block_size;
	unsigned after_hook;	/* return address of the call that makes the check behind a code hook, in the library */
};

/* Of the loaded library that address lies in; NULL: it is not known. */
const struct layout *layout_of_library(const void *address);

#endif
