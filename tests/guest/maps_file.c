/* Maps the file that its argument names, a copy of this program, past any loader, and calls its function there. */
#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>

__attribute__((noinline)) long fn(long x)
{
    __asm__ volatile("");
    return x + 5;
}

int main(int count, char **words)
{
    const Elf64_Phdr *part = (const Elf64_Phdr *)getauxval(AT_PHDR);
    char *mapped = mmap(0, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(words[count - 1], O_RDONLY), 0);

    while (part->p_type != PT_LOAD || (unsigned long)fn - part->p_vaddr >= part->p_filesz) {
        part++;
    }
    return (int)((long (*)(long))(mapped + (long)fn - part->p_vaddr + part->p_offset))(2);
}
