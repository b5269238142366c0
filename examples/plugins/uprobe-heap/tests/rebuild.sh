#!/bin/sh
# Builds leaks, a static aarch64 ELF file, with zig from PyPI; it is committed so that the tests need no compiler.
set -eu
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m ziglang cc -target aarch64-linux-musl -O1 -g0 -static -no-pie \
    -fno-sanitize=all -fno-optimize-sibling-calls -o leaks leaks.c
"${PYTHON:-python3}" ../../../strip_debug.py leaks
