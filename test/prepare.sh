#!/bin/sh
# Makes a fresh Debian or Ubuntu able to run the tests and the demo: the shared library that the pinned Node
# needs, a JDK that can open windows, and a virtual X server. Installs nothing that is there already.
set -eu

missing=''
note() { missing="$missing $1"; }

# By its own path: npm before 11.6 leaves no node_modules/.bin/node behind.
pinned=$(find node_modules/node-linux-*/bin/node 2>/dev/null | head -n 1)
if [ -z "$pinned" ]; then
  echo "The pinned Node is not installed: run npm ci first (x86-64 or arm64 Linux with glibc), in the root of the checkout." >&2
  exit 1
fi
# It links against libatomic, which a minimal Debian does not have.
"$pinned" --version >/dev/null 2>&1 || note libatomic1
command -v Xvfb >/dev/null 2>&1 || note xvfb
if command -v javac >/dev/null 2>&1; then
  java_home=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
  # The headless JDK compiles, but cannot show a window.
  [ -e "$java_home/lib/libawt_xawt.so" ] || note default-jdk
else
  note default-jdk
fi
command -v setpriv >/dev/null 2>&1 || note util-linux
# What the units and the installer are checked with.
command -v systemd-analyze >/dev/null 2>&1 || note systemd
command -v shellcheck >/dev/null 2>&1 || note shellcheck
PATH="$PATH:/usr/sbin" command -v nft >/dev/null 2>&1 || note nftables
if command -v fc-list >/dev/null 2>&1 && [ -n "$(fc-list 2>/dev/null | head -n 1)" ]; then :; else
  note fontconfig
  note fonts-dejavu-core
fi

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "These Debian packages are needed:$missing" >&2
  echo "Install them with: sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "These are needed (Debian's package names):$missing. Install them with your package manager." >&2
  exit 1
fi
echo "Installing:$missing (this takes a minute or two)" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # one word a package
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
  >"$log" 2>&1; then
  cat "$log" >&2
  echo "apt-get failed, see above. These packages are needed:$missing" >&2
  exit 1
fi
