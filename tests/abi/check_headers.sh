#!/bin/sh
# check_headers.sh - every header compiles alone in C17, the public ones in C++17, too, and hyperlama.h includes them all.
# Those in engine/kernels/*/ are bodies that kernel files complete with macros; they compile with each of these.
cd "$(dirname "$0")/../.." || exit 1
cc=${CC:-cc} cxx=${CXX:-c++}
flags="-I. -Iinclude -w -fsyntax-only $(pkg-config --cflags jansson libpcre2-8 libutf8proc 2>/dev/null)"
for h in include/hyperlama/*.h; do
    [ "$h" = include/hyperlama/hyperlama.h ] || grep -q "\"${h#include/}\"" include/hyperlama/hyperlama.h || {
        echo "$h: hyperlama.h, which is to be all of them, does not include it"
        exit 1
    }
done
jobs=$(mktemp) && trap 'rm -f "$jobs"' EXIT

for h in $(find core engine runner models host server bench/lib cli include -name '*.h' 2>/dev/null | sort); do
    case $h in engine/kernels/*/*) continue ;; esac
    echo "echo '#include \"${h#include/}\"' | $cc -x c -std=gnu17 $flags - || { echo '$h: does not compile alone in C17'; exit 1; }"
done >"$jobs"
if command -v "$cxx" >/dev/null; then
    for h in include/hyperlama/*.h; do
        echo "echo '#include \"${h#include/}\"' | $cxx -x c++ -std=c++17 -Iinclude -Wall -Wextra -Werror -fsyntax-only - || { echo '$h: does not compile alone in C++17'; exit 1; }"
    done >>"$jobs"
fi
xargs -P 2 -d '\n' -n 1 sh -c <"$jobs"
