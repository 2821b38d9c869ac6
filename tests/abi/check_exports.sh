#!/bin/sh
# check_exports.sh - the public headers declare the functions of tests/abi/exports.txt, and the shared library
# exports exactly these. After a deliberate change: python3 tools/list_exports.py --write
here=$(dirname "$0")
export LC_ALL=C
python3 "$here/../../tools/list_exports.py" | diff -u "$here/exports.txt" - || {
    echo "check_exports: exports.txt is stale (+ new, - gone): python3 tools/list_exports.py --write"
    exit 1
}
lib=${HL_TEST_OUT:-out/release}/libhyperlama.so
[ -f "$lib" ] || lib=${HL_TEST_OUT:-out/release}/libhyperlama.so.0
[ -f "$lib" ] || { echo "check_exports: libhyperlama.so is not built, say 'make lib'"; exit 77; }
nm -D --defined-only "$lib" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort | diff -u "$here/exports.txt" - || {
    echo "check_exports: lines with + are exported and not declared, lines with - are declared and not there"
    exit 1
}
