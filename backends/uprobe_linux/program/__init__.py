"""How a program gets into memory: ELF files, the first stack, the vDSO, exec."""
