#!/bin/sh
# Makes a fresh Debian or Ubuntu able to boot the machines of the system tier, and says what stands in the way where
# that cannot be. Installs nothing that is there already.
set -eu

cannot() {
  echo "The system tier boots Debian under systemd-nspawn and cannot run here: $1" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || cannot "it needs root, for namespaces and mounts. Run it with sudo, or leave it out: npm test -- check unit build integration"

missing=''
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need systemd-nspawn systemd-container
need mmdebstrap mmdebstrap
need flock util-linux
need nsenter util-linux
need git git
# A host that is no Debian has not got the keys that Debian's archive is signed with.
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || cannot "these are needed (Debian's package names):$missing"
  echo "Installing:$missing" >&2
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # shellcheck disable=SC2086 # one word a package
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
    >"$log" 2>&1; then
    cat "$log" >&2
    cannot "apt-get failed, see above. These packages are needed:$missing"
  fi
fi

unshare --mount --pid --net --uts --ipc --cgroup --fork true 2>/dev/null ||
  cannot "the kernel, or the container around this shell, refuses new namespaces (unshare)"
grep -q ' - cgroup2 ' /proc/self/mountinfo || cannot "no cgroup2 file system is mounted"
