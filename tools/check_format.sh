#!/bin/sh
# check_format.sh - every .c and .h is as clang-format 14 writes it (tools/format.sh does it). Without that program, which
# `make deps` installs, or with another version, which breaks lines elsewhere: skipped (77).
cd "$(dirname "$0")/.." || exit 1
version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$version" != 14 ]; then
    echo "format: clang-format 14 is not here (found: ${version:-none})"
    exit 77
fi
files=$(git ls-files --cached --others --exclude-standard '*.c' '*.h' 2>/dev/null)
[ -n "$files" ] || files=$(find core engine runner models host server cli include tests bench -name '*.[ch]' 2>/dev/null)
bad=$(for f in $files; do [ -f "$f" ] && echo "$f"; done | xargs -P 4 -n 40 clang-format --dry-run -Werror 2>&1 | grep ': error:')
if [ -n "$bad" ]; then
    echo "$bad" | head -40
    echo "format: run tools/format.sh"
    exit 1
fi
echo "format: $(echo "$files" | wc -l) files are as clang-format writes them"
