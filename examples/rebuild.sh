#!/bin/sh
# Builds examples/loop, a static aarch64 ELF file, with zig from PyPI (pip install ziglang).
# The file is committed so that a newcomer needs no compiler.
set -eu
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m ziglang cc -target aarch64-linux-musl -O1 -g0 -static -no-pie \
    -fno-sanitize=all -o loop loop.c
"${PYTHON:-python3}" strip_debug.py loop
