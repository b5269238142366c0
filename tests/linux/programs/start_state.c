/* What a program finds on its stack, as far as it does not depend on place; recorded on a real kernel. */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;
extern char _end[];
extern char __ehdr_start[] __attribute__((weak));

int main(int argc, char **argv)
{
    char **end = environ;
    uint64_t *aux;
    Elf64_Ehdr *header = (Elf64_Ehdr *)__ehdr_start;

    printf("argc %d, sp at argc aligned: %d\n", argc, ((uintptr_t)(argv - 1) & 15) == 0);
    printf("argv ends with null: %d, environment follows: %d\n", argv[argc] == 0, (char **)environ == argv + argc + 1);
    while (*end)
        end++;
    for (aux = (uint64_t *)(end + 1); aux[0] != AT_NULL; aux += 2) {
        uint64_t value = aux[1];
        switch (aux[0]) {
        case AT_PAGESZ: case AT_CLKTCK: case AT_PHENT: case AT_FLAGS: case AT_SECURE: case AT_UID: case AT_EUID:
        case AT_GID: case AT_EGID: case AT_BASE:
            printf("aux %lu: %lu\n", (unsigned long)aux[0], (unsigned long)value);
            break;
        case AT_PHNUM: printf("aux phnum right: %d\n", value == header->e_phnum); break;
        case AT_PHDR: printf("aux phdr right: %d\n", value == (uint64_t)header + header->e_phoff); break;
        case AT_ENTRY: printf("aux entry right: %d\n", value == header->e_entry || value == header->e_entry + (uint64_t)header); break;
        case AT_PLATFORM: printf("aux platform: %s\n", (char *)value); break;
        case AT_EXECFN: printf("aux execfn is argv[0]: %d, ends at %#lx\n", !strcmp((char *)value, argv[0]), (unsigned long)(value + strlen((char *)value) + 1)); break;
        case AT_RANDOM: printf("aux random below platform: %d\n", value < (uint64_t)_end || value > (uint64_t)argv); break;
        }
    }
    printf("strings in order: %d\n", argv[argc - 1] >= argv[0] && (!environ[0] || environ[0] > argv[argc - 1]));
    printf("stack top: %#lx\n", ((unsigned long)argv[0] + 0xfffff) & ~0xfffffUL);
    void *brk = sbrk(0);
    printf("brk behind the image: %d\n", ((uintptr_t)brk & 4095) == 0);
    return 0;
}
