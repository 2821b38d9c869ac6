#!/bin/sh
# check_exports.sh - the shared library exports exactly the functions of tests/abi/exports.txt.
# After a deliberate change: nm -D --defined-only out/release/libhyperlama.so | awk '{print $3}' | sort > tests/abi/exports.txt
lib=${HL_TEST_OUT:-out/release}/libhyperlama.so
[ -f "$lib" ] || lib=${HL_TEST_OUT:-out/release}/libhyperlama.so.0
[ -f "$lib" ] || { echo "check_exports: libhyperlama.so is not built, say 'make lib'"; exit 77; }
nm -D --defined-only "$lib" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort | diff -u "$(dirname "$0")/exports.txt" - || {
    echo "check_exports: lines with + are new, lines with - are gone"
    exit 1
}
