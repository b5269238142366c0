/* Builds of libunicorn by their build id. */
#define _GNU_SOURCE
#include "builds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)

#include <link.h>

static const struct layout layouts[] = {
	{	/* unicorn 2.1.4, manylinux x86_64 wheel */
		{0x44, 0x28, 0x5d, 0x3e, 0x80, 0x52, 0x71, 0x22, 0xe9, 0xe3,
		 0x61, 0x92, 0x81, 0x89, 0x38, 0x59, 0x06, 0xec, 0x81, 0x3e},
		.env_registers = 0x40, .env_pc = 0x140, .env_hflags = 0x150, .env_btype = 0x228, .env_uc = 0x31b8,
		.env_left = -0x10, .env_end = -8, .env_blocks = -0xa218, .env_flushes = -0x2188,
		.env_tlbs = -0xd0, .env_victims = -0x2140,
		.uc_cpu = 0x1b8, .uc_context = 0x300, .uc_no_checks = 0x7f2, .uc_last_block = 0x3a00, .cpu_env = 0xa350,
		.context_epilogue = 0x98, .context_invalidated = 0xd8, .context_flushes = 0xa8d0, .context_uc = 0xa970,
		.block_code = 0x20, .block_size = 0x28, .after_hook = 0x6b27d8,
	},
};

struct wanted {
	uintptr_t address;
	const struct layout *layout;
};

static const struct layout *layout_of_build(const unsigned char *build, size_t size)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (size == sizeof(layouts[i].build) && !memcmp(build, layouts[i].build, size))
			return &layouts[i];
	return NULL;
}

static const struct layout *layout_in_notes(const char *at, const char *end)
{
	while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)at;
		const char *name = at + sizeof(*note), *value = name + ((note->n_namesz + 3) & ~3u);
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4))
			return layout_of_build((const unsigned char *)value, note->n_descsz);
		at = value + ((note->n_descsz + 3) & ~3u);
	}
	return NULL;
}

/* Of dl_iterate_phdr: looks at the object that holds wanted->address. */
static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct wanted *wanted = data;
	bool ours = false;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;
		ours |= header->p_type == PT_LOAD && wanted->address - start < header->p_memsz;
	}
	for (unsigned i = 0; ours && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const char *notes = (const char *)(info->dlpi_addr + header->p_vaddr);
		if (header->p_type == PT_NOTE && !wanted->layout)
			wanted->layout = layout_in_notes(notes, notes + header->p_memsz);
	}
	return ours;
}

const struct layout *layout_of_library(const void *address)
{
	struct wanted wanted = {(uintptr_t)address, NULL};

	dl_iterate_phdr(look_at_object, &wanted);
	return wanted.layout;
}

#endif
