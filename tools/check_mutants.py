#!/usr/bin/env python3
"""Each planted fault of tests/mutants.txt still has the line that it changes."""
import sys

import mutate


def main():
    bad = [text for _, m, text in mutate.planted_mutants() if not m]
    print("\n".join(bad) if bad else f"mutants: {len(list(mutate.planted_mutants()))} planted faults find their lines")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
