"""Drop the .debug_* sections of an ELF64 file in place: ``python strip_debug.py FILE``.

zig's linker strips either nothing or the symbols too, and the debug
information of its libc names folders of the machine that it was built on.
Sections that are loaded keep their index and place, so symbols stay right.
"""

import struct
import sys
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
ALLOC = 2


def strip(data: bytes) -> bytes:
    """The file without its debug sections; the kept ones that are not loaded move down."""
    header = list(EHDR.unpack_from(data))
    at, size, count, names_index = header[6], header[11], header[12], header[13]
    sections = [list(SHDR.unpack_from(data, at + index * size)) for index in range(count)]
    names = data[sections[names_index][4] :]
    keep = [
        i for i, s in enumerate(sections) if not names[s[0] : names.index(b"\0", s[0])].startswith(b".debug")
    ]
    end = max(s[4] + (s[5] if s[1] != 8 else 0) for s in sections if s[2] & ALLOC)
    out = bytearray(data[: max(end, header[5] + header[9] * header[10])])
    for index in keep:
        section = sections[index]
        if section[0] and not section[2] & ALLOC:
            out += bytes(-len(out) % 8)
            content = data[section[4] : section[4] + section[5]]
            section[4] = len(out)
            out += content
        section[6] = keep.index(section[6]) if section[6] in keep else 0
    out += bytes(-len(out) % 8)
    header[6], header[12], header[13] = len(out), len(keep), keep.index(names_index)
    out[: EHDR.size] = EHDR.pack(*header)
    return bytes(out) + b"".join(SHDR.pack(*sections[index]) for index in keep)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_bytes(strip(path.read_bytes()))
