#!/bin/sh
# cross_arm64.sh - build for arm64 with a cross compiler and run the kernel and unit tests under qemu-user.
#
# Debian, no root: libraries for arm64 come from the distribution's archive into a folder of their own, so that nothing
# of this machine changes. Wants gcc-aarch64-linux-gnu and qemu-user, which are installed when they are missing.
# What runs on the processor `max` are all levels; the other two show that no level uses more than it says.
set -eu
cd "$(dirname "$0")/.."
OUT=out/arm64
ROOT=$PWD/$OUT/sysroot
PACKAGES="libc6-dev libjansson-dev libpcre2-dev libutf8proc-dev libsqlite3-dev libssl-dev zlib1g-dev libzstd-dev
    libcurl4-openssl-dev libinih-dev libedit-dev libmicrohttpd-dev libcmocka-dev"
JOBS=${JOBS:-$(nproc)}

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    apt-get -qq update
    apt-get -qq -y install --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
fi

# apt with lists, cache and a record of installed packages (none) of its own.
get_libraries() {
    apt=$PWD/$OUT/apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/log" "$ROOT.part"
    : >"$apt/state/status"
    set -- -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Install-Recommends=false \
        -o APT::Sandbox::User= -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status" \
        -o Dir::Cache="$apt/cache" -o Dir::Log="$apt/log" -o Debug::NoLocking=1
    apt-get "$@" update
    apt-get "$@" -y --download-only install $PACKAGES
    for deb in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$ROOT.part"; done
    rm -rf "$apt"
    mv "$ROOT.part" "$ROOT"
}
[ -d "$ROOT" ] || get_libraries

export PKG_CONFIG_SYSROOT_DIR="$ROOT" PKG_CONFIG_LIBDIR="$ROOT/usr/lib/aarch64-linux-gnu/pkgconfig"
make -j"$JOBS" CC="${CCACHE:-} aarch64-linux-gnu-gcc --sysroot=$ROOT" AR=aarch64-linux-gnu-ar OUT=$OUT all tests

# run_on PROCESSOR PROGRAM...: objects and lists of dependencies, which the pattern matches too, are left out.
run_on() {
    echo "== $1"
    under="qemu-aarch64 -L $ROOT -cpu $1"
    shift
    for t; do
        shift
        case $t in *.o | *.d) ;; *) set -- "$@" "$t" ;; esac
    done
    HL_TEST_MODELS=/nonexistent python3 tools/run_tests.py --jobs "$JOBS" --timeout 3600 --under "$under" "$@"
}
fail=0
run_on max $OUT/tests/kernels/test_* $OUT/tests/unit/test_* || fail=1
run_on neoverse-n1 $OUT/tests/kernels/test_* || fail=1
run_on cortex-a72 $OUT/tests/kernels/test_* || fail=1
exit $fail
