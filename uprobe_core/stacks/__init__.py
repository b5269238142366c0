"""User stacks: unwinding with .eh_frame or frame pointers, and names for addresses."""
