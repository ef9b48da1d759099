#!/usr/bin/env bash
# Sets up a bare Ubuntu machine to build and run Cassiopeia. Running it again changes nothing that is
# right already.
set -euo pipefail

readonly NODE_MAJOR_MIN=20
readonly OPEN_FILES_MIN=65536

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
dry_run=false

usage() {
  cat <<'TEXT'
Usage: scripts/ubuntu_init.sh [--dry-run]

Sets up Ubuntu (22.04, 24.04 or later) or Debian to build and run Cassiopeia:

  1. checks for Node 20.3 or newer and npm; installs them from the system's packages where these are
     new enough, and otherwise says how to get them, and exits with 1
  2. tells how to raise the limit of open files, when it is low
  3. installs the dependencies that package-lock.json names (npm ci), which also builds

  --dry-run   say what would be done, and do nothing
  --help      print this
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

run() {
  if [[ $dry_run == true ]]; then
    say "would run: $*"
  else
    say "running: $*"
    "$@"
  fi
}

# Packages need root; without it sudo is asked.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    run "$@"
  elif command -v sudo >/dev/null; then
    run sudo "$@"
  else
    fail "this needs root and there is no sudo; run as root: $*"
  fi
}

# Whether the node in PATH is new enough, to the minor version.
node_suffices() {
  command -v node >/dev/null || return 1
  node -e "
    const [major, minor] = process.versions.node.split('.').map(Number)
    process.exit(major > $NODE_MAJOR_MIN || (major === $NODE_MAJOR_MIN && minor >= 3) ? 0 : 1)"
}

# Prints the major number of a version such as v20.1.2 or 1:18.19.1+dfsg-6; 0 for anything else.
major_of() {
  local version="${1#v}"
  version="${version#*:}"
  version="${version%%.*}"
  if [[ $version =~ ^[0-9]+$ ]]; then printf '%s' "$version"; else printf '0'; fi
}

installed_node_major() {
  command -v node >/dev/null || { printf '0'; return; }
  major_of "$(node --version)"
}

packaged_node_major() {
  local candidate
  candidate="$(LC_ALL=C apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: //p')"
  major_of "$candidate"
}

explain_node() {
  cat >&2 <<TEXT
error: Cassiopeia needs Node $NODE_MAJOR_MIN.3 or newer, and $1.

Install it in one of these ways, then run this script again:
  - a release of the system that has it: Ubuntu 25.04 or Debian 13, and later ones
  - a version manager such as nvm, fnm or volta: for example, nvm install $NODE_MAJOR_MIN
  - snap: sudo snap install node --classic --channel=$NODE_MAJOR_MIN
  - the archive for Linux from the Node.js project's site, unpacked to a directory in PATH
TEXT
  exit 1
}

ensure_node() {
  local installed packaged
  if node_suffices; then
    say "node $(node --version) is there"
  else
    command -v apt-get >/dev/null || explain_node "this system has no apt-get to install it with"
    # A bare machine has no lists of packages yet.
    as_root apt-get update
    packaged="$(packaged_node_major)"
    if ((packaged == 0)) && [[ $dry_run == true ]]; then
      say 'would look up which Node the packages have (the lists have not been fetched)'
    elif ((packaged < NODE_MAJOR_MIN)); then
      installed="$(installed_node_major)"
      explain_node "this system's packages have $(describe "$packaged"), with $(describe "$installed") installed"
    fi
    as_root apt-get install --yes nodejs
  fi
  # Some packages of nodejs bring npm along, others do not.
  if ! command -v npm >/dev/null; then
    command -v apt-get >/dev/null || fail 'node is there and npm is not; install npm'
    as_root apt-get install --yes npm
  fi
}

describe() {
  if (($1 == 0)); then printf 'none'; else printf 'Node %s' "$1"; fi
}

note_open_files() {
  local limit
  limit="$(ulimit -n)"
  if [[ $limit == unlimited ]] || ((limit >= OPEN_FILES_MIN)); then
    say "open files: $limit, enough"
    return
  fi
  cat <<TEXT
open files: $limit. That is enough to try things out. For a node with many clients raise it:
  this shell:        ulimit -n $OPEN_FILES_MIN   (up to the hard limit, $(ulimit -Hn))
  every login:       add to /etc/security/limits.conf:   * - nofile $OPEN_FILES_MIN
  a systemd service: LimitNOFILE=$OPEN_FILES_MIN
TEXT
}

install_dependencies() {
  [[ -f $root/package-lock.json ]] || fail "$root has no package-lock.json; is this the whole clone?"
  # --dry-run on a bare machine comes here without npm.
  run npm --prefix "$root" ci
}

for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument: $argument" ;;
  esac
done

ensure_node
note_open_files
install_dependencies
say ''
say 'Ready. Next:'
say "  cd $root"
say '  npm start                # three nodes and a shell'
