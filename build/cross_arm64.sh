#!/bin/sh
# cross_arm64.sh - build for arm64 with a cross compiler and run the unit and kernel tests under qemu-user.
# Needs root on Debian: it adds arm64 as a foreign architecture for the libraries.
set -e
cd "$(dirname "$0")/.."
dpkg --add-architecture arm64
apt-get -qq update
apt-get -qq -y install --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user pkg-config python3 \
    libjansson-dev:arm64 libpcre2-dev:arm64 libutf8proc-dev:arm64 libsqlite3-dev:arm64 libssl-dev:arm64 zlib1g-dev:arm64 \
    libzstd-dev:arm64 libcurl4-openssl-dev:arm64 libinih-dev:arm64 libedit-dev:arm64 libmicrohttpd-dev:arm64 libcmocka-dev:arm64
export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
make -j4 CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar MODE=release OUT=out/arm64 all tests
fail=0
for t in out/arm64/tests/unit/test_* out/arm64/tests/kernels/test_*; do
    [ -x "$t" ] && [ -f "$t" ] || continue
    case $t in *.o | *.d) continue ;; esac
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$t" || fail=1
done
exit $fail
