#!/bin/sh
# check_symbols.sh - libraries never print, exit, read the environment, or take memory behind mem.h's back;
# everything that leaves a file begins with hl_; wide registers stand only where the file suffix allows them.
# Looks at the objects of the build that is there (MODE, default release); nothing built: nothing to say (77).
cd "$(dirname "$0")/.." || exit 1
out=out/${MODE:-release}
[ -d "$out/core" ] || exit 77
case $out in */asan | */tsan | */fuzz) exit 77 ;; esac

# Objects of sources that are still there (kernels that are compiled per weight type: all): nm and objdump read them all at once, a process each would take a minute.
objects() {
    for d; do find "$out/$d" -name '*.o' 2>/dev/null; done | while read -r o; do
        source=${o#"$out/"} && [ -f "${source%.o}.c" ] && echo "$o"
    done
}
libraries="$(objects core engine runner models host server bench/lib) $(find "$out/kernels" -name '*.o')"
program=$(objects cli)

calls=$(nm -A -u $libraries | awk -v out="$out/" '
    { file = $1; sub(out, "", file); sub(/:.*/, "", file); name = $NF; sub(/@.*/, "", name) }
    file == "core/base/map.o" && name == "_exit" { next } # the handler of a broken map has no other way out
    name ~ /^(exit|_exit|abort|v?printf|puts|putchar|perror|stdout|stderr|(secure_)?getenv|setenv|environ|setlocale|system)$/ ||
    (name ~ /^((m|c|re)alloc|strn?dup|v?asprintf|aligned_alloc|posix_memalign)$/ && file != "core/base/mem.o") {
        print file ": calls " name
    }')
names=$(nm -A -g --defined-only $libraries $program | awk '$NF !~ /^(hl_|main$|__)/ { print $1 " leaves its file without hl_: " $NF }')
# 256 bits in *_avx2 and *_avxvnni, 512 in *_avx512*, elsewhere none: such an object may run on any CPU.
wide=$([ "$(uname -m)" != x86_64 ] || objdump -d --no-show-raw-insn $libraries $program | awk '
    /file format/ { file = $1; told = 0; max = file ~ /_avx512[a-z0-9]*\.o:$/ ? 512 : file ~ /_(avx2|avxvnni)\.o:$/ ? 256 : 128 }
    !told && (/%zmm/ && max < 512 || /%ymm/ && max < 256) { told = 1; print file " registers wider than its suffix allows" }')
[ -z "$calls$names$wide" ] && { echo "symbols: libraries keep to themselves"; exit 0; }
printf '%s\n' "$calls" "$names" "$wide" | grep .
exit 1
