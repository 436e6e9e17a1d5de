# shellcheck shell=bash
#
# What every provisioner shares: strict mode, and messages when something fails.
# Sourced, never run.

set -o errexit -o nounset -o pipefail
shopt -s inherit_errexit nullglob

trap 'printf "FAILED %s line %s: %s\n" "$(basename "$0")" "$LINENO" "$BASH_COMMAND" >&2' ERR

# Ends the script, and with it the bake.
die() {
  printf 'FAILED %s\n' "$*" >&2
  exit 1
}

# Takes the names of variables that must be set and not empty.
need() {
  local name
  for name in "$@"; do
    [[ -n "${!name:-}" ]] || die "${name} is not set: the Packer template passes it"
  done
}

# Prints the lines of a list without comments and blank lines.
entries() {
  sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}
