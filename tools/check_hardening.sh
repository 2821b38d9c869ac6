#!/bin/sh
# check_hardening.sh - the program that is built has what the Makefile asks the compiler and the linker for: a position
# independent executable, relocations that are read-only from the start, no executable stack, stack protector, checked libc
# calls and, on x86-64, marks for control-flow enforcement. Nothing built, or with sanitizers: nothing to say (77).
cd "$(dirname "$0")/.." || exit 1
program=out/${MODE:-release}/hyperlama
case ${MODE:-release} in release) ;; *) exit 77 ;; esac
[ -f "$program" ] || exit 77
bad=""
need() { eval "$2" || bad="$bad
$program: $1"; }
headers=$(readelf -W -h -l -d "$program")
symbols=$(nm -D "$program" 2>/dev/null)
need "is no position independent executable" 'echo "$headers" | grep -q "Type:.*DYN"'
need "its relocations are not read-only (RELRO)" 'echo "$headers" | grep -q GNU_RELRO'
need "its symbols are not bound at start (-z now)" 'echo "$headers" | grep -qE "BIND_NOW|FLAGS_1.*NOW"'
need "its stack is executable" 'echo "$headers" | grep GNU_STACK | grep -q "RW "'
need "has no stack protector" 'echo "$symbols" | grep -q __stack_chk_fail'
need "does not check sizes in libc calls (_FORTIFY_SOURCE)" 'echo "$symbols" | grep -qE "__(memcpy|snprintf|vsnprintf|fprintf|read|pread)_chk"'
if [ "$(uname -m)" = x86_64 ]; then
    # Of the objects: the program has the mark only where the C library's start files have it, too (Debian's have not).
    need "its objects are not marked for control-flow enforcement" 'readelf -W -n "out/release/cli/main.o" | grep -q "IBT, SHSTK"'
fi
[ -z "$bad" ] && { echo "hardening: $program has all of it"; exit 0; }
echo "$bad" | grep .
exit 1
