"""Guest memory: one arena, the page table over it, and how the kernel side reaches into it."""
