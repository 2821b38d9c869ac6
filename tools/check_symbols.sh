#!/bin/sh
# check_symbols.sh - libraries never print, exit, read the environment, or take memory behind mem.h's back;
# everything that leaves a file begins with hl_.
# Looks at the objects of the build that is there (MODE, default release); nothing built: nothing to say (77).
cd "$(dirname "$0")/.." || exit 1
out=out/${MODE:-release}
[ -d "$out/core" ] || exit 77
case $out in */asan | */tsan | */fuzz) exit 77 ;; esac
bad=$(find "$out/core" "$out/engine" "$out/models" "$out/host" "$out/server" -name '*.o' 2>/dev/null | while read -r o; do
    pattern='exit|_exit|abort|printf|puts|putchar|perror|getenv|secure_getenv|setenv|system'
    case $o in */core/base/mem.o) ;; *) pattern="$pattern|malloc|calloc|realloc|strdup|strndup|aligned_alloc|posix_memalign" ;; esac
    case $o in */core/base/map.o) pattern=$(printf %s "$pattern" | sed 's/|_exit//') ;; esac
    nm -u "$o" | awk '{ print $2 }' | sed 's/@.*//' | grep -xE "$pattern" | sed "s|^|$o: |"
done)
names=$(find "$out/core" "$out/engine" "$out/models" "$out/host" "$out/server" "$out/cli" -name '*.o' 2>/dev/null | while read -r o; do
    nm -g --defined-only "$o" | awk '{ print $3 }' | grep -vE '^(hl_|main$|__)' | sed "s|^|$o: leaves its file without hl_: |"
done)
bad="$bad$names"
[ -z "$bad" ] && { echo "symbols: libraries keep to themselves"; exit 0; }
echo "$bad"
exit 1
