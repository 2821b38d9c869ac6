#!/bin/sh
# deps.sh - install what the build and the tests need and what is missing here. Debian and Ubuntu.
#
# Each line of the list: package, and the test that says it is there. Nothing is asked of the network
# when all tests pass, so that `make test` may call this every time.
set -u
missing=""
pkg() { pkg-config --exists "$2" 2>/dev/null || missing="$missing $1"; }
file() { for f in $2; do [ -e "$f" ] && return; done; missing="$missing $1"; }
tool() { command -v "$2" >/dev/null 2>&1 || missing="$missing $1"; }
module() { for p in /usr/bin/python3 python3; do "$p" -c "import $2" >/dev/null 2>&1 && return; done; missing="$missing $1"; }

tool pkg-config pkg-config
pkg libjansson-dev jansson
pkg libpcre2-dev libpcre2-8
pkg libutf8proc-dev libutf8proc
pkg libsqlite3-dev sqlite3
pkg libssl-dev libcrypto
pkg zlib1g-dev zlib
pkg libzstd-dev libzstd
pkg libcurl4-openssl-dev libcurl
pkg libinih-dev inih
pkg libedit-dev libedit
pkg libmicrohttpd-dev libmicrohttpd
pkg libcmocka-dev cmocka
tool haproxy haproxy
tool openssl openssl
tool docker-registry docker-registry
tool apache2-utils htpasswd
tool python3 python3
tool clang-format clang-format
module python3-pytest pytest
module python3-jinja2 jinja2
module python3-jsonschema jsonschema
if ! python3 -m pip --version >/dev/null 2>&1 && ! command -v pip3 >/dev/null 2>&1; then missing="$missing python3-pip"; fi

[ -z "$missing" ] && exit 0
echo "missing packages:$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "This is no Debian or Ubuntu: install the matching packages of your system and call make again." >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Neither root nor sudo: ask an administrator for: apt-get install$missing" >&2
        exit 1
    fi
    sudo="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -qq update || echo "apt-get update failed; trying with what is known" >&2
# shellcheck disable=SC2086 - the list is meant to be split
if ! $sudo apt-get -qq -y install --no-install-recommends $missing >/tmp/hyperlama-deps.$$ 2>&1; then
    tail -20 /tmp/hyperlama-deps.$$ >&2
    rm -f /tmp/hyperlama-deps.$$
    echo "Could not install:$missing. Check the network and the package sources, then call make again." >&2
    exit 1
fi
rm -f /tmp/hyperlama-deps.$$
echo "installed:$missing"
