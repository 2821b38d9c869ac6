#!/bin/sh
# format.sh - put every .c and .h of ours into the style of .clang-format (clang-format 14, Debian 12's).
#
# usage: format.sh [FILE...]    without files: all that git knows
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- $(git ls-files --cached --others --exclude-standard '*.c' '*.h')
exec clang-format -i "$@"
