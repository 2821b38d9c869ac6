"""make install, and a small program that embeds the library."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = os.environ.get("HL_TEST_OUT", str(ROOT / "out/release"))
SANITIZED = pathlib.Path(OUT).name in ("asan", "tsan")
HEADERS = sorted(p.name for p in (ROOT / "include/hyperlama").glob("*.h"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    if SANITIZED:
        pytest.skip("a program without the sanitizer cannot link a library that has it")
    dest = tmp_path_factory.mktemp("install")
    done = subprocess.run(["make", "--no-print-directory", "install", f"DESTDIR={dest}", "PREFIX=/opt/hl", f"MODE={pathlib.Path(OUT).name}"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return dest


def pkg_config(dest, *what):
    env = dict(os.environ, PKG_CONFIG_PATH=str(dest / "opt/hl/lib/pkgconfig"), PKG_CONFIG_SYSROOT_DIR=str(dest))
    # libraries of the system are not below the sysroot; only ours is asked for
    return subprocess.run(["pkg-config", *what, "hyperlama"], env=env, check=True, capture_output=True, text=True).stdout.split()


def compile_example(dest, target, *libs, name="answer.c"):
    done = subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", str(ROOT / "docs/examples" / name), "-o", str(target),
                           *pkg_config(dest, "--cflags"), *libs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_everything_is_where_it_belongs(installed):
    root = installed / "opt/hl"
    for name in ("bin/hyperlama", "lib/libhyperlama.a", "lib/libhyperlama.so", "lib/libhyperlama.so.0", "lib/pkgconfig/hyperlama.pc",
                 "include/hyperlama/hyperlama.h", "include/hyperlama/status.def", "share/man/man1/hyperlama.1",
                 "share/bash-completion/completions/hyperlama", "share/zsh/site-functions/_hyperlama",
                 "share/fish/vendor_completions.d/hyperlama.fish"):
        assert (root / name).exists(), name
    assert subprocess.run([root / "bin/hyperlama", "--version"]).returncode == 0


def test_the_example_answers_with_the_shared_library(installed, cli):
    target = cli.folder / "example"
    compile_example(installed, target, *pkg_config(installed, "--libs"))
    done = subprocess.run([target, cli.model()], env={"LD_LIBRARY_PATH": str(installed / "opt/hl/lib")}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Hello brave new world.\n("), done.stderr


def test_the_example_of_eight_streams_answers_all_of_them(installed, cli):
    target = cli.folder / "streams"
    compile_example(installed, target, *pkg_config(installed, "--libs"), name="streams.c")
    done = subprocess.run([target, cli.model()], env={"LD_LIBRARY_PATH": str(installed / "opt/hl/lib")}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("tokens, ") == 8 and done.stdout.startswith("1: "), done.stdout


def test_the_example_answers_with_the_static_library(installed, cli):
    target = cli.folder / "example"
    system = subprocess.run(["pkg-config", "--libs", "jansson", "libpcre2-8", "libutf8proc"], check=True, capture_output=True,
                            text=True).stdout.split()
    compile_example(installed, target, str(installed / "opt/hl/lib/libhyperlama.a"), *system, "-lpthread", "-lm")
    done = subprocess.run([target, cli.model()], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Hello brave new world.\n("), done.stderr
    assert subprocess.run([target, "absent.gguf"], capture_output=True).returncode == 7


def test_the_shared_library_exports_our_names_only_and_links_few_others(installed):
    library = installed / "opt/hl/lib/libhyperlama.so.0"
    names = [line.split()[-1] for line in
             subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout.splitlines()]
    assert names and all(name.startswith("hl_") for name in names)
    needed = subprocess.run(["objdump", "-p", library], check=True, capture_output=True, text=True).stdout
    needed = {line.split()[1].split(".so")[0] for line in needed.splitlines() if "NEEDED" in line}
    assert needed <= {"libc", "libm", "libpthread", "libjansson", "libpcre2-8", "libutf8proc", "ld-linux-x86-64", "ld-linux-aarch64"}


@pytest.mark.parametrize("header", HEADERS)
def test_every_public_header_compiles_alone(header, tmp_path):
    source = f'#include "hyperlama/{header}"\nint main(void) {{ return 0; }}\n'
    cxx = "c++" if shutil.which("c++") else None
    for compiler, std, suffix in (("cc", "c17", "c"), (cxx, "c++17", "cc")):
        if not compiler:
            continue
        path = tmp_path / f"x.{suffix}"
        path.write_text(source)
        done = subprocess.run([compiler, f"-std={std}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT}/include", path],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
