#!/bin/sh
# format.sh - break the lines of more than 110 columns with clang-format, and leave all others as they are.
#
# usage: format.sh [FILE...]    without files: every .c and .h of ours
[ $# -gt 0 ] || set -- $(find core engine models host server cli include tests bench -name '*.[ch]' 2>/dev/null)
for f; do
    [ -f "$f" ] || continue
    lines=$(awk 'length($0) > 110 { printf "--lines=%d:%d ", NR, NR }' "$f")
    [ -z "$lines" ] || clang-format -i $lines "$f"
done
