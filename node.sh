#!/bin/sh
# Runs the Node that package-lock.json pins, and lets everything below it find the same one. The npm scripts do not rely on
# node_modules/.bin/node: npm before 11.6 removes that link again, since the package of the other architecture, which does
# not fit this machine, has a program of the same name.
set -eu
for bin in "$(cd "$(dirname "$0")" && pwd)"/node_modules/node-linux-*/bin; do
  if [ -x "$bin/node" ]; then
    PATH="$bin:$PATH" exec "$bin/node" "$@"
  fi
done
echo "The pinned Node is missing: run npm ci on x86-64 or arm64 Linux with glibc." >&2
exit 1
