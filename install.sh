#!/bin/bash
# Installs, upgrades and removes ib-agent on a host with systemd. See --help.
#
# Versions lie side by side in PREFIX/lib/ib-agent, and `current` is a symbolic link that is switched by a rename: files of a
# running version are never written to. Everything outside that directory is written down in its install/ before it is
# made, so that --uninstall takes away what this script brought and nothing else.

# Called as: sh install.sh
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"

set -Eeuo pipefail
umask 022
# Sorting and comparing must not depend on who calls this; CDPATH makes cd print.
export LC_ALL=C
unset CDPATH

SELF=$(readlink -f "${BASH_SOURCE[0]}")
ROOT=${SELF%/*}
readonly SELF ROOT

readonly USERS=(ib-agent ib-gateway)
readonly GROUPS_OF_PEOPLE=(ib-operators ib-observers)
readonly OLDEST_SYSTEMD=252
# Xvfb and its fonts; what Node and the agent link against; polkit, by which the agent starts units; the X libraries that the
# gateway's own Java loads. Where Debian renamed a package for 64-bit time_t, the new name is found below.
readonly PACKAGES=(
  xvfb fontconfig fonts-dejavu-core libatomic1 libsystemd0 dbus polkitd
  libx11-6 libxext6 libxi6 libxrender1 libxtst6 libxrandr2 libxcursor1 libxinerama1
  libfontconfig1 libfreetype6 libasound2
)
# The browser inside the gateway, which shows a passkey login.
readonly BROWSER_PACKAGES=(
  libgtk-3-0 libglib2.0-0 libnss3 libnspr4 libgbm1 libx11-xcb1 libxcomposite1 libxdamage1 libxfixes3 libxss1
)

PREFIX=/usr
DESTDIR=${DESTDIR:-}
FROM=''
MODE=install
DRY_RUN=no
PURGE=no
OFFLINE=no
WITH_PACKAGES=yes
WITH_BROWSER=no
FORCE=no

usage() {
  cat <<'TEXT'
Usage: sudo ./install.sh [OPTION]...
       sudo ./install.sh --uninstall [--purge]

Installs ib-agent from this checkout, or upgrades it: sessions that are up stay up, only the agent restarts. Nothing is
logged in by it. Run it again at any time: what is in place already is left alone.

  --dry-run           print what would be done, and change nothing
  --uninstall         close the sessions, stop everything and remove the programs; keeps configuration, state,
                      credentials and users
  --purge             with --uninstall: remove those as well. The login ledger and the gateways' tokens go with them.
  --from DIR          install the release in DIR (made by: npm run build, or sh node.sh build.ts --with-node DIR),
                      instead of building one
  --offline           no network: take node_modules and dist/ as they are; refuse when packages are missing
  --no-packages       install no Debian packages; you see to them
  --with-browser-libraries
                      also the packages that a passkey login in the gateway's own browser needs
  --force             go on where the distribution or its systemd is not one that is tested
  --prefix DIR        default /usr. With another, or with DESTDIR in the environment, files are laid out and nothing
                      else is done: no packages, no users, no systemctl. For packagers.
  --help              print this text

Made for Debian 12 and 13 and Ubuntu 24.04, on x86-64 and arm64 (tested on Debian, x86-64). Exit status: 0 done, 1 failed, 2 wrong command line.
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install: warning: %s\n' "$*" >&2; }

# What failed, and what to do about it.
die() {
  printf 'install: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

wrong_line() {
  printf 'install: %s\n' "$1" >&2
  say "Try: ./install.sh --help" >&2
  exit 2
}

# Runs a command, or says that it would.
act() {
  if [ "$DRY_RUN" = yes ]; then
    say "would run: $*"
  else
    "$@"
  fi
}

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --dry-run) DRY_RUN=yes ;;
    --uninstall) MODE=uninstall ;;
    --purge) PURGE=yes ;;
    --offline) OFFLINE=yes ;;
    --no-packages) WITH_PACKAGES=no ;;
    --with-browser-libraries) WITH_BROWSER=yes ;;
    --force) FORCE=yes ;;
    --from | --prefix)
      [ $# -ge 2 ] || wrong_line "$1 needs a directory"
      case $1 in
        --from) FROM=$2 ;;
        --prefix) PREFIX=$2 ;;
      esac
      shift
      ;;
    --from=*) FROM=${1#*=} ;;
    --prefix=*) PREFIX=${1#*=} ;;
    *) wrong_line "unknown option $1" ;;
  esac
  shift
done
[ "$PURGE" = no ] || [ "$MODE" = uninstall ] || wrong_line "--purge belongs to --uninstall"
PREFIX=${PREFIX%/}
DESTDIR=${DESTDIR%/}
for path in "$PREFIX" ${DESTDIR:+"$DESTDIR"}; do
  # The paths are written into units and lists of lines.
  [[ $path =~ ^/[A-Za-z0-9._/+@-]+$ ]] || wrong_line "not an absolute path of plain characters: '$path'"
done
if [ -n "$FROM" ]; then
  [ -d "$FROM" ] || wrong_line "--from: there is no directory $FROM"
  FROM=$(cd "$FROM" && pwd -P)
fi

# Whether this host is meant, or only a tree of files.
ON_THIS_HOST=no
[ -n "$DESTDIR" ] || [ "$PREFIX" != /usr ] || ON_THIS_HOST=yes
readonly ON_THIS_HOST PREFIX DESTDIR FROM MODE DRY_RUN PURGE OFFLINE WITH_PACKAGES WITH_BROWSER FORCE

# As it is named where it is installed, and where it is now.
readonly LIB_NAME=$PREFIX/lib/ib-agent
readonly LIB=$DESTDIR$LIB_NAME
readonly RECORD=$LIB/install
readonly CONFIG=$DESTDIR/etc/ib-agent/ib-agent.yaml

systemd_is_up() { [ "$ON_THIS_HOST" = yes ] && [ -d /run/systemd/system ]; }

# ---------------------------------------------------------------- files

# Makes a directory and its parents; those that were not there are written down first.
make_directory() {
  local directory=$1 mode=${2:-0755}
  [ ! -d "$directory" ] || return 0
  if [ "$DRY_RUN" = yes ]; then
    say "would make: $directory/"
    return 0
  fi
  make_directory "$(dirname "$directory")"
  mkdir -m "$mode" "$directory"
  DIRECTORIES+=("${directory#"$DESTDIR"}")
  [ ! -d "$RECORD" ] || printf '%s\n' "${DIRECTORIES[@]}" >>"$RECORD/directories"
  [ ! -d "$RECORD" ] || DIRECTORIES=()
}
DIRECTORIES=()

# Writes a file by a rename, so that whoever reads it sees the old or the new one. Leaves one alone that is as it should be.
put_file() {
  local source=$1 target=$2 mode=$3
  if [ -f "$target" ] && [ ! -L "$target" ] && cmp -s "$source" "$target" && [ "$(stat -c %a "$target")" = "${mode#0}" ]; then
    return 0
  fi
  if [ "$DRY_RUN" = yes ]; then
    say "would write: $target"
    return 0
  fi
  make_directory "$(dirname "$target")"
  local new=$target.ib-agent-new
  rm -f "$new"
  cp --no-preserve=all "$source" "$new"
  chmod "$mode" "$new"
  mv -fT "$new" "$target"
  CHANGED=yes
}
CHANGED=no

put_link() {
  local value=$1 target=$2
  [ "$(readlink "$target" 2>/dev/null)" != "$value" ] || return 0
  if [ "$DRY_RUN" = yes ]; then
    say "would link: $target -> $value"
    return 0
  fi
  make_directory "$(dirname "$target")"
  rm -f "$target.ib-agent-new"
  ln -s "$value" "$target.ib-agent-new"
  mv -fT "$target.ib-agent-new" "$target"
}

remove() {
  local path=$1
  [ -e "$path" ] || [ -L "$path" ] || return 0
  if [ "$DRY_RUN" = yes ]; then
    say "would remove: $path"
  else
    rm -rf --one-file-system "$path"
  fi
}

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Everything of a version that lies outside its own directory: source, a tab, target, a tab, mode.
list_files() {
  local share=$1 file
  for file in "$share"/systemd/*.service "$share"/systemd/*.target "$share"/systemd/*.slice; do
    [ ! -f "$file" ] || printf '%s\t%s\t0644\n' "$file" "$PREFIX/lib/systemd/system/${file##*/}"
  done
  while read -r file target; do
    # Completions are made only when the release is in place.
    if [ -f "$share/$file" ] || [[ $file = completions/* ]]; then
      printf '%s\t%s\t0644\n' "$share/$file" "$target"
    fi
  done <<LIST
systemd/ib-agent.sysusers $PREFIX/lib/sysusers.d/ib-agent.conf
systemd/ib-agent.tmpfiles $PREFIX/lib/tmpfiles.d/ib-agent.conf
systemd/ib-agent.catalog $PREFIX/lib/systemd/catalog/ib-agent.catalog
systemd/50-ib-agent.rules $PREFIX/share/polkit-1/rules.d/50-ib-agent.rules
systemd/ib-agent.needrestart /etc/needrestart/conf.d/ib-agent.conf
completions/ibctl.bash $PREFIX/share/bash-completion/completions/ibctl
completions/ibctl.zsh $PREFIX/share/zsh/vendor-completions/_ibctl
completions/ibctl.fish $PREFIX/share/fish/vendor_completions.d/ibctl.fish
LIST
}

# The same for symbolic links: value, a tab, target.
list_links() {
  printf '%s\t%s\n' \
    "$LIB_NAME/current/bin/ibctl" "$PREFIX/bin/ibctl" \
    "$LIB_NAME/current/share" "$PREFIX/share/doc/ib-agent"
}

# Whether an earlier run of this script made it.
is_ours() {
  grep -qxF "$1" "$RECORD/files" 2>/dev/null
}

# Before anything is changed: nothing that somebody else put there is written over.
refuse_foreign_files() {
  local target
  while IFS=$'\t' read -r _ target _; do
    if [ -e "$DESTDIR$target" ] || [ -L "$DESTDIR$target" ]; then
      is_ours "$target" || die "$DESTDIR$target is there already, and not from an earlier installation" \
        "Find out whose it is (dpkg -S $target). Move it away if it is not needed, and run this again."
    fi
  done < <(list_files "$1"; list_links)
}

# Brings units, rules, completions and links to what a version has; removes those that only an older one had.
install_files() {
  local share=$1 source target mode old
  if [ "$DRY_RUN" = no ]; then
    { list_files "$share" | cut -f 2; list_links | cut -f 2; } | sort -u >"$RECORD/files.new"
    touch "$RECORD/files"
    old=$(comm -13 "$RECORD/files.new" <(sort -u "$RECORD/files"))
    # Both lists, until the old files are gone.
    sort -u "$RECORD/files" "$RECORD/files.new" >"$RECORD/files.both"
    mv -f "$RECORD/files.both" "$RECORD/files"
  fi
  while IFS=$'\t' read -r source target mode; do
    put_file "$source" "$DESTDIR$target" "$mode"
  done < <(list_files "$share")
  while IFS=$'\t' read -r source target; do
    put_link "$source" "$DESTDIR$target"
  done < <(list_links)
  [ "$DRY_RUN" = no ] || return 0
  while read -r target; do
    [ -z "$target" ] || remove "$DESTDIR$target"
  done <<<"$old"
  mv -f "$RECORD/files.new" "$RECORD/files"
}

# An edited configuration is never written over; an unedited default of an older version is replaced.
install_config() {
  local default=$1
  if [ ! -e "$CONFIG" ] || cmp -s "$default" "$CONFIG"; then
    remove "$CONFIG.new"
  elif [ "$(hash_of "$CONFIG")" != "$(cat "$RECORD/ib-agent.yaml.sha256" 2>/dev/null)" ]; then
    if ! cmp -s "$default" "$CONFIG.new"; then
      put_file "$default" "$CONFIG.new" 0644
      say "$CONFIG was edited and stays as it is; this version's own is beside it: ib-agent.yaml.new"
    fi
    return 0
  fi
  put_file "$default" "$CONFIG" 0644
  [ "$DRY_RUN" = yes ] || hash_of "$default" >"$RECORD/ib-agent.yaml.sha256"
}

# ---------------------------------------------------------------- this host

check_host() {
  case $(uname -sm) in
    'Linux x86_64') ARCH=x64 ;;
    'Linux aarch64' | 'Linux arm64') ARCH=arm64 ;;
    *) die "this is $(uname -sm): ib-agent runs on Linux on x86-64 and arm64" ;;
  esac
  [ "$ON_THIS_HOST" = yes ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    [ "$DRY_RUN" = yes ] || die "root is needed to install on this host" "Run: sudo ./install.sh, or --dry-run to look first"
  fi
  local name version systemd
  name=$(os_release ID)
  version=$(os_release VERSION_ID)
  case $name-$version in
    debian-12 | debian-13 | ubuntu-24.04) ;;
    *) untested "this is $name $version; tested are Debian 12 and 13 and Ubuntu 24.04" ;;
  esac
  systemd=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p') || true
  [ -n "$systemd" ] || die "there is no systemd on this host" "Without it: see \"Without systemd\" in README.md"
  [ "$systemd" -ge "$OLDEST_SYSTEMD" ] ||
    untested "this host has systemd $systemd; $OLDEST_SYSTEMD is the oldest that has what the units need"
  [ -d /run/systemd/system ] || warn "systemd does not run here (a chroot?): nothing is started; enable ib-agent.service yourself"
}

os_release() {
  local value
  value=$(sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release 2>/dev/null) || true
  printf '%s' "${value:-unknown}"
}

untested() {
  if [ "$FORCE" = yes ]; then
    warn "$1"
  else
    die "$1" "To try it nevertheless: --force"
  fi
}

package_is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) = installed ]]
}

# Debian 13 and Ubuntu 24.04 renamed libraries whose interface holds times.
package_name() {
  local name
  for name in "$1" "$1t64"; do
    if package_is_installed "$name"; then
      printf '%s' "$name"
      return 0
    fi
  done
  for name in "$1" "$1t64"; do
    if apt-cache policy "$name" 2>/dev/null | grep -q '^  Candidate: [^(]'; then
      printf '%s' "$name"
      return 0
    fi
  done
  printf '%s' "$1"
}

install_packages() {
  [ "$ON_THIS_HOST" = yes ] && [ "$WITH_PACKAGES" = yes ] || return 0
  local wanted=("$@") missing=() name updated=no
  if ! command -v apt-get >/dev/null; then
    warn "no apt-get here: see to these yourself (Debian's names): ${wanted[*]}"
    return 0
  fi
  for name in "${wanted[@]}"; do
    name=$(package_name "$name")
    package_is_installed "$name" && continue
    if [ "$updated" = no ] && [ "$OFFLINE" = no ] && [ "$DRY_RUN" = no ]; then
      # The lists are needed to know which of two names a library has here.
      quietly "apt-get update failed" "See above; check /etc/apt and the network, or use --no-packages" apt-get update -q
      updated=yes
      name=$(package_name "$name")
    fi
    missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$OFFLINE" = no ] || die "these Debian packages are missing: ${missing[*]}" \
    "apt-get install --no-install-recommends ${missing[*]}, or --no-packages to go on without"
  say "Debian packages: ${missing[*]}"
  quietly "apt-get could not install ${missing[*]}" "See above; install them yourself and use --no-packages" \
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# Runs a talkative command; its words are shown when it fails.
quietly() {
  local what=$1 hint=$2 log
  shift 2
  if [ "$DRY_RUN" = yes ]; then
    say "would run: $*"
    return 0
  fi
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    die "$what" "$hint"
  fi
  rm -f "$log"
}

# ---------------------------------------------------------------- the release

# Builds run as the owner of the checkout: root has no business in the scripts of a user's directory, nor should it leave
# files there that the user cannot remove.
as_owner() {
  local owner home
  owner=$(stat -c %U "$ROOT")
  if [ "$(id -u)" -ne 0 ] || [ "$owner" = root ] || [ "$owner" = UNKNOWN ]; then
    "$@"
  else
    home=$(getent passwd "$owner" | cut -d : -f 6)
    runuser -u "$owner" -- env HOME="$home" "$@"
  fi
}

# Sets RELEASE, the directory with the bundles, and NODE, the program that runs them.
choose_release() {
  local pinned=node_modules/node-linux-$ARCH/bin/node
  if [ -n "$FROM" ]; then
    RELEASE=$FROM
    [ -f "$RELEASE/VERSION" ] || RELEASE=$FROM/dist
    [ -f "$RELEASE/VERSION" ] || die "$FROM holds no release: there is no file VERSION" "Make one: sh node.sh build.ts --with-node DIR"
    find_node "$RELEASE/bin/node" "$FROM/$pinned" "$RELEASE/../$pinned" "$ROOT/$pinned"
    return 0
  fi
  [ -f "$ROOT/build.ts" ] || die "$ROOT is no checkout of ib-agent, so there is nothing to build" "Use --from DIR, or run the install.sh of a checkout"
  RELEASE=$ROOT/dist
  if [ "$OFFLINE" = yes ]; then
    if [ ! -f "$RELEASE/VERSION" ]; then
      [ -x "$ROOT/$pinned" ] || die "--offline needs node_modules/ and dist/ here" "On a host with a network: npm ci && npm run build; or use --from DIR"
      build_release
    fi
  else
    if [ ! -x "$ROOT/$pinned" ] || [ "$ROOT/package-lock.json" -nt "$ROOT/node_modules/.package-lock.json" ]; then
      command -v npm >/dev/null || install_packages nodejs npm
      say "Fetching the pinned packages (npm ci)"
      in_checkout "npm ci failed" "See above. Without a network: --offline with node_modules/ there, or --from DIR" npm ci --no-progress
    fi
    build_release
  fi
  find_node "$RELEASE/bin/node" "$ROOT/$pinned"
}

build_release() {
  # The part that runs in the gateway's Java is compiled.
  [ ! -f "$ROOT/build-bridge.ts" ] || command -v javac >/dev/null || install_packages default-jdk-headless
  say "Building the release"
  in_checkout "the build failed" "See above" sh node.sh build.ts
}

in_checkout() {
  local what=$1 hint=$2
  shift 2
  cd "$ROOT"
  quietly "$what" "$hint" as_owner "$@"
  cd /
}

find_node() {
  for NODE in "$@"; do
    [ ! -x "$NODE" ] || return 0
  done
  [ "$DRY_RUN" = no ] || return 0
  die "there is no Node for the release in $RELEASE" "Run npm ci in the checkout, or make it with: sh node.sh build.ts --with-node"
}

# Sets VERSION_DIRECTORY: the release as a complete, checked directory beside the others.
place_release() {
  local stage=$LIB/$VERSION.tmp share=$LIB/$VERSION.tmp/share part shell
  make_directory "$LIB"
  make_directory "$RECORD"
  # One installation at a time; the lock goes with this process.
  exec 9<"$LIB"
  flock -n 9 || die "another install.sh is at work here" "Wait for it"
  rm -rf "$stage"
  STAGE=$stage
  mkdir "$stage"
  cp -R --no-preserve=all "$RELEASE"/. "$stage"/
  [ "$NODE" -ef "$RELEASE/bin/node" ] || cp --no-preserve=all "$NODE" "$stage/bin/node"
  mkdir -p "$share/completions"
  for part in README.md CHANGELOG.md LICENSE docs etc systemd; do
    [ ! -e "$ROOT/$part" ] || cp -R --no-preserve=all "$ROOT/$part" "$share"/
  done
  rm -f "$share"/docs/*.ts
  cp --no-preserve=all "$SELF" "$share/install.sh"
  if [ "$PREFIX" != /usr ]; then
    sed -i "s#/usr/lib/ib-agent/#$LIB_NAME/#g; s#/usr/share/doc/#$PREFIX/share/doc/#g" "$share"/systemd/*
  fi
  find "$stage" -type d -exec chmod 0755 {} +
  find "$stage" -type f -exec chmod 0644 {} +
  chmod 0755 "$stage"/bin/* "$share/install.sh"
  check_release "$stage"
  for shell in bash zsh fish; do
    "$stage/bin/ibctl" completion "$shell" >"$share/completions/ibctl.$shell"
  done
  local current=$LIB/current
  if [ -d "$current" ] && diff -rq "$stage" "$current/" >/dev/null 2>&1; then
    say "Version $VERSION is installed already, and the same"
    rm -rf "$stage"
    VERSION_DIRECTORY=$(readlink -f "$current")
    return 0
  fi
  # A directory that is there may be in use: the same version again gets a new one.
  local name=$VERSION directory count=0 last=0
  for directory in "$LIB/$VERSION" "$LIB/$VERSION"+[0-9]*; do
    [ -e "$directory" ] || continue
    count=1
    [[ $directory != *+* ]] || count=${directory##*+}
    [ "$count" -le "$last" ] || last=$count
  done
  [ "$last" -eq 0 ] || name=$VERSION+$((last + 1))
  mv -T "$stage" "$LIB/$name"
  VERSION_DIRECTORY=$LIB/$name
}

# The release must run here before anything is switched to it.
check_release() {
  local said script
  said=$("$1/bin/ibctl" --version 2>&1) ||
    die "the release does not run on this host: $said" "Is libatomic1 installed? Is $LIB on a file system that is mounted noexec?"
  script='const koffi = require("node:module").createRequire(process.argv[1])("koffi"); koffi.load("libc.so.6")'
  said=$("$1/bin/node" -e "$script" "$1/ib-agent.js" 2>&1) ||
    die "the release cannot call the system's libraries (koffi): $(head -n 5 <<<"$said")" "It must be built for this architecture, with npm ci on a host with glibc"
}

# Switches to a version by a rename. The one before is remembered: it is what a failed upgrade goes back to.
switch_to() {
  local name=${1##*/} before
  before=$(readlink "$LIB/current" 2>/dev/null) || before=''
  [ "$before" != "$name" ] || return 0
  [ -z "$before" ] || put_link "$before" "$LIB/previous"
  put_link "$name" "$LIB/current"
  CHANGED=yes
}

# Versions that are neither current nor previous, and that no process has open, mapped or in its command line.
remove_old_versions() {
  local directory
  for directory in "$LIB"/[0-9]*; do
    [ -f "$directory/VERSION" ] || continue
    [ "$directory" -ef "$LIB/current" ] && continue
    [ "$directory" -ef "$LIB/previous" ] && continue
    if is_in_use "$directory"; then
      say "Keeping ${directory##*/}: a running process uses it"
    else
      remove "$directory"
    fi
  done
}

is_in_use() {
  local name=$1
  # A jar that a JVM has loaded shows as an open file only.
  [ -z "$(find /proc/[0-9]*/exe /proc/[0-9]*/cwd /proc/[0-9]*/fd -maxdepth 1 \
    \( -lname "$name/*" -o -lname "$name" \) -print -quit 2>/dev/null)" ] || return 0
  # Not as an argument: it would find itself.
  grep -aqsF -f /dev/stdin /proc/[0-9]*/maps /proc/[0-9]*/cmdline <<<"$name/"
}

# ---------------------------------------------------------------- systemd and users

make_users() {
  local name known=()
  for name in "${USERS[@]}"; do
    getent passwd "$name" >/dev/null || known+=("user $name")
  done
  for name in "${GROUPS_OF_PEOPLE[@]}"; do
    getent group "$name" >/dev/null || known+=("group $name")
  done
  # Those that were there before are not ours to remove.
  if [ ${#known[@]} -gt 0 ] && [ "$DRY_RUN" = no ]; then
    printf '%s\n' "${known[@]}" >>"$RECORD/accounts"
  fi
  act systemd-sysusers "$PREFIX/lib/sysusers.d/ib-agent.conf"
  act systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/ib-agent.conf"
}

# In what state the agent is: active, inactive, failed, activating, …
agent_state() { systemctl show -P ActiveState ib-agent.service 2>/dev/null || printf unknown; }

start_agent() {
  if [ "$FIRST" = yes ]; then
    act systemctl enable --quiet ib-agent.service
    systemd_is_up || return 0
    if ! act systemctl start ib-agent.service; then
      # It would be tried again five times a second.
      systemctl stop ib-agent.service || true
      journalctl -u ib-agent.service -n 10 --no-pager -o cat >&2 || true
      die "ib-agent is installed, but does not start" "See above, and: journalctl -u ib-agent. Then: sudo systemctl start ib-agent"
    fi
    return 0
  fi
  systemd_is_up || return 0
  if [ "$DRY_RUN" = yes ]; then
    act systemctl try-restart ib-agent.service
    return 0
  fi
  [ "$CHANGED" = yes ] || return 0
  case $AGENT_BEFORE in
    active)
      say "Restarting the agent; sessions stay up"
      if ! systemctl try-restart ib-agent.service || [ "$(agent_state)" != active ]; then
        die "the new version of the agent does not start" "journalctl -u ib-agent shows why"
      fi
      ;;
    failed | activating)
      systemctl restart ib-agent.service || warn "the agent did not run before, and does not now: journalctl -u ib-agent"
      ;;
    *) say "The agent was stopped and stays so: sudo systemctl start ib-agent" ;;
  esac
}

# A step failed. If the running version was touched, everything goes back to it.
finish() {
  local status=$?
  trap - EXIT ERR
  [ "$status" -ne 0 ] || return 0
  [ -z "${STAGE:-}" ] || rm -rf "$STAGE"
  if [ -n "${GO_BACK_TO:-}" ]; then
    set +e
    warn "going back to ${GO_BACK_TO##*/}"
    put_link "${GO_BACK_TO##*/}" "$LIB/current"
    if [ -n "$PREVIOUS" ]; then put_link "$PREVIOUS" "$LIB/previous"; else rm -f "$LIB/previous"; fi
    install_files "$GO_BACK_TO/share"
    if systemd_is_up; then
      systemctl daemon-reload
      [ "$AGENT_BEFORE" != active ] || systemctl restart ib-agent.service
      say "The agent is $(agent_state), as version $(cat "$LIB/current/VERSION")" >&2
    fi
    remove_old_versions
  fi
  exit "$status"
}

install_all() {
  local own
  check_host
  [ "$ON_THIS_HOST" = no ] || install_packages "${PACKAGES[@]}"
  [ "$WITH_BROWSER" = no ] || install_packages "${BROWSER_PACKAGES[@]}"
  choose_release
  if [ "$DRY_RUN" = yes ] && [ ! -f "$RELEASE/VERSION" ]; then
    VERSION=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$ROOT/package.json")
  else
    VERSION=$(cat "$RELEASE/VERSION")
  fi
  [[ $VERSION =~ ^[0-9][0-9A-Za-z.~-]*$ ]] || die "$RELEASE/VERSION holds no version: '$VERSION'" "Build it again"
  own=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$ROOT/package.json" 2>/dev/null) || own=$(cat "$ROOT/../VERSION" 2>/dev/null) || own=''
  [ "$own" = "$VERSION" ] || die "the release in $RELEASE is version $VERSION, and this install.sh belongs to ${own:-none}" \
    "Build it again, or use the install.sh of its own checkout"
  FIRST=no
  [ -L "$LIB/current" ] || FIRST=yes
  AGENT_BEFORE=none
  ! systemd_is_up || AGENT_BEFORE=$(agent_state)
  refuse_foreign_files "$ROOT"

  if [ "$DRY_RUN" = yes ]; then
    say "would write: $LIB/$VERSION/ from $RELEASE and ${NODE}"
    install_files "$ROOT"
    install_config "$ROOT/etc/ib-agent.yaml"
    [ "$ON_THIS_HOST" = no ] || make_users
    say "would link: $LIB/current -> $VERSION"
    if systemd_is_up; then
      act journalctl --update-catalog
      act systemctl daemon-reload
    fi
    [ "$ON_THIS_HOST" = no ] || start_agent
    remove_old_versions
    say "Nothing was changed."
    return 0
  fi

  trap finish EXIT
  trap 'printf "install: failed in line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
  place_release
  PREVIOUS=$(readlink "$LIB/previous") || PREVIOUS=''
  [ "$FIRST" = yes ] || GO_BACK_TO=$(readlink -f "$LIB/current")
  install_files "$VERSION_DIRECTORY/share"
  [ "$ON_THIS_HOST" = no ] || make_users
  install_config "$VERSION_DIRECTORY/share/etc/ib-agent.yaml"
  switch_to "$VERSION_DIRECTORY"
  if [ "$ON_THIS_HOST" = yes ]; then
    journalctl --update-catalog
    ! systemd_is_up || systemctl daemon-reload
    start_agent
  fi
  GO_BACK_TO=''
  remove_old_versions
  trap - EXIT ERR
  if [ "$ON_THIS_HOST" = no ]; then
    say "Laid out version $VERSION in ${DESTDIR:-/} (${VERSION_DIRECTORY##*/})"
  elif [ "$FIRST" = yes ]; then
    next_steps
  else
    say "Version $VERSION is installed (${VERSION_DIRECTORY##*/})"
  fi
}

next_steps() {
  cat <<TEXT
ib-agent $VERSION is installed and runs. It logs nothing in before you say so. Next:

  1. sudo usermod -aG ib-operators ${SUDO_USER:-YOU}    # who may log in, stop, …; ib-observers may only look
  2. IB Gateway and IBC: install them below /opt, readable by everybody; README.md, "Install", has the commands
  3. sudoedit $CONFIG                # the sessions; check it: ibctl config check
  4. sudo ibctl credentials set NAME                  # asks for user name and password, and seals them
  5. sudo systemctl restart ib-agent
  6. ibctl login NAME

Documentation: $PREFIX/share/doc/ib-agent/README.md. To remove it: sudo $PREFIX/share/doc/ib-agent/install.sh --uninstall
TEXT
}

# ---------------------------------------------------------------- removal

# Sessions are closed tidily, which takes a while: a gateway that is killed keeps its slot at IBKR for hours.
stop_everything() {
  systemd_is_up || return 0
  act systemctl stop ib-agent.service || die "the agent could not be stopped" "systemctl status ib-agent"
  local sessions
  sessions=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating 'ib-session@*.service' | cut -d ' ' -f 1 | paste -sd ' ')
  [ -z "$sessions" ] || say "Closing $sessions; this can take some minutes"
  act systemctl stop 'ib-ready@*.target' 'ib-session@*.service' ||
    die "a session could not be closed; nothing was removed" "systemctl status 'ib-session@*'"
  act systemctl stop 'ib-code@*.service' 'ib-clock@*.service' 'ib-display@*.service' || die "a display could not be stopped; nothing was removed" "systemctl status 'ib-display@*'"
  act systemctl stop ib.slice
  act systemctl disable --quiet ib-agent.service
}

remove_accounts() {
  local kind name
  [ -f "$RECORD/accounts" ] || return 0
  # ib-agent first: it is a member of the other's group.
  while read -r kind name; do
    case $kind in
      user) ! getent passwd "$name" >/dev/null || act userdel "$name" || warn "user $name stays: userdel $name failed" ;;
      group) ! getent group "$name" >/dev/null || act groupdel "$name" || warn "group $name stays: groupdel $name failed" ;;
    esac
  done < <(sort -u "$RECORD/accounts")
}

uninstall_all() {
  [ "$ON_THIS_HOST" = no ] || [ "$(id -u)" -eq 0 ] || [ "$DRY_RUN" = yes ] || die "root is needed" "Run: sudo ./install.sh --uninstall"
  if [ ! -d "$LIB" ]; then
    say "ib-agent is not installed in ${DESTDIR}$PREFIX"
    [ "$PURGE" = yes ] || return 0
  fi
  [ "$ON_THIS_HOST" = no ] || stop_everything
  local path directories=()
  # Read before it goes; the deepest come last in it, since parents are made first.
  [ ! -f "$RECORD/directories" ] || mapfile -t directories < <(tac "$RECORD/directories")
  if [ -f "$RECORD/files" ]; then
    while read -r path; do
      remove "$DESTDIR$path"
    done <"$RECORD/files"
  fi
  for path in "$LIB"/current "$LIB"/previous "$LIB"/[0-9]*; do
    [ -L "$path" ] || [ -f "$path/VERSION" ] || [[ $path = *.tmp ]] || continue
    remove "$path"
  done
  if systemd_is_up; then
    act systemctl daemon-reload
    act systemctl reset-failed 'ib-agent.service' 'ib-session@*.service' 'ib-display@*.service' 'ib-code@*.service' 'ib-clock@*.service' 2>/dev/null || true
  fi
  [ "$ON_THIS_HOST" = no ] || act journalctl --update-catalog
  if [ "$PURGE" = yes ]; then
    for path in "$DESTDIR/etc/ib-agent" "$DESTDIR"/var/lib/ib-agent "$DESTDIR"/var/lib/ib-session "$DESTDIR"/var/lib/ib-code "$DESTDIR"/var/lib/ib-clock \
      "$DESTDIR"/run/ib-agent "$DESTDIR"/run/ib-session "$DESTDIR"/run/ib-display "$DESTDIR"/run/ib-code "$DESTDIR"/run/ib-clock \
      "$DESTDIR"/etc/credstore.encrypted/ib-session.*.{username,password} "$DESTDIR"/etc/credstore.encrypted/ib-code.*.seed "$DESTDIR"/etc/credstore.encrypted/ib-notify.*; do
      remove "$path"
    done
    # Newer systemds have this directory of their own.
    if [ "$DRY_RUN" = no ] && [ ! -e "$DESTDIR/usr/lib/tmpfiles.d/credstore.conf" ]; then
      rmdir "$DESTDIR/etc/credstore.encrypted" 2>/dev/null || true
    fi
    [ "$ON_THIS_HOST" = no ] || remove_accounts
    remove "$LIB"
  elif [ "$DRY_RUN" = no ] && [ -f "$RECORD/files" ]; then
    : >"$RECORD/files"
  fi
  for path in "${directories[@]}"; do
    [ "$DRY_RUN" = yes ] || rmdir "$DESTDIR$path" 2>/dev/null || true
  done
  if [ "$DRY_RUN" = yes ]; then
    say "Nothing was changed."
  elif [ "$PURGE" = yes ]; then
    say "ib-agent is removed, with configuration, state, credentials and users. Debian packages stay: apt-get autoremove"
  else
    say "ib-agent is removed. Configuration, state, credentials and users stay; --uninstall --purge removes them too."
  fi
}

if [ "$MODE" = uninstall ]; then
  uninstall_all
else
  install_all
fi
