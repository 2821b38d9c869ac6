#!/usr/bin/env python3
"""Functions of libc that nobody calls here: each has a better one beside it, or is a trap. Exceptions: tools/banned.txt."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "core", "engine", "runner", "models", "host", "server", "cli")
# name: (why, what instead)
BANNED = {name: why for names, why in (
    ("strcpy strcat stpcpy gets getwd", "writes past its buffer: hl_str, snprintf"),
    ("strncpy strncat", "ends without a terminator, or counts from the wrong end: hl_str, snprintf"),
    ("sprintf vsprintf", "knows no size: snprintf, hl_str_add_format"),
    ("strtok", "one state for all threads: strtok_r, hl_view"),
    ("atoi atol atoll atof", "says nothing of what is no number: strtol, hl_view_to_int"),
    ("sscanf scanf fscanf", "says nothing of overflow: strtoll and its end"),
    ("alloca", "takes the stack by a number: hl_new"),
    ("malloc calloc realloc free strdup strndup asprintf vasprintf", "is not seen by tests that let memory end: core/base/mem.h"),
    ("rand srand random srandom drand48 lrand48", "another sequence on every system, one state for all: hl_random, getrandom"),
    ("system popen vfork", "a shell between us and what we mean: execve"),
    ("mktemp tmpnam tempnam tmpfile", "a name that another may take: mkstemp"),
    ("gmtime localtime ctime asctime", "one buffer for all threads: gmtime_r, localtime_r"),
    ("signal", "means something else on every system: sigaction"),
    ("setjmp longjmp", "passes over what is to be freed"),
    ("getenv setenv putenv unsetenv", "libraries do not read the environment, programs are given it: hl_env_get"),
    ("abort exit", "libraries return errors, and main() ends the program"),
    ("readdir_r usleep bzero bcopy", "gone from POSIX"),
    ("printf puts putchar", "goes to whatever is standard output: fprintf(app->out), hl_event"),
) for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
NOISE = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.S)


def blank(match):
    """Texts and comments, without changing where lines are."""
    return re.sub(r"[^\n]", " ", match.group(0))


def read_allowed():
    """{(path, name): line} of tools/banned.txt."""
    allowed = {}
    for line in (ROOT / "tools/banned.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 3 or not parts[2]:
                sys.exit(f"tools/banned.txt: expected 'path | function | reason', found {line!r}")
            allowed[parts[0], parts[1]] = line
    return allowed


def main():
    allowed, used, bad, n_files = read_allowed(), set(), [], 0
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.[ch]")):
            path, n_files = file.relative_to(ROOT).as_posix(), n_files + 1
            text = NOISE.sub(blank, file.read_text(errors="replace"))
            for call in CALL.finditer(text):
                name = call.group(1)
                if (path, name) in allowed:
                    used.add((path, name))
                else:
                    bad.append(f"{path}:{text.count(chr(10), 0, call.start()) + 1}: {name}() {BANNED[name]}")
    bad += [f"tools/banned.txt: {path} does not call {name}()" for path, name in allowed if (path, name) not in used]
    print("\n".join(bad) if bad else f"banned: {n_files} files call none of {len(BANNED)} functions but for {len(used)} reasons")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
