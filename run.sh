#!/usr/bin/env bash
#
# From a fresh Debian or Ubuntu machine to a working one, then `invoke ARGS`.
#
#   ./run.sh demo      bake, deploy and use a cluster on the local cloud
#   ./run.sh check     the linters and the quick tests, in two minutes
#   ./run.sh test      everything that CI checks
#   ./run.sh --list    every task
#
# Installs only what is missing. Without root it names the command that an administrator must
# run, and goes on: what needs no local cloud works without.
#
# RAYKILN_ONLY=bake installs what a bake on AWS needs, RAYKILN_ONLY=deploy what all else on AWS
# needs; both without the local cloud and the tests. The workflows set it.

set -o errexit -o nounset -o pipefail
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")"
export PATH="${PATH}:/usr/sbin:/sbin"

# tool → the package that brings it
TOOLS=(
  packer:packer
  systemd-nspawn:systemd-container
  mmdebstrap:mmdebstrap
  haproxy:haproxy
  dnsmasq:dnsmasq-base
  redis-server:redis-server
  docker-registry:docker-registry
  buildah:buildah
  runc:runc
  nft:nftables
  ip:iproute2
  nsenter:util-linux
  losetup:mount
  ssh:openssh-client
  openssl:openssl
  mkfs.btrfs:btrfs-progs
  shellcheck:shellcheck
  shfmt:shfmt
)
# Packages that would start a service of their name at once and at each boot. The local cloud runs
# these programs itself.
readonly SERVICES=' haproxy redis-server docker-registry '
# mmdebstrap checks Debian's signatures with these keys; Ubuntu does not have them by itself.
DEBIAN_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
LOCKS=(requirements-uv.txt requirements.txt requirements-local.txt requirements-dev.txt)
readonly ONLY="${RAYKILN_ONLY:-}"
if [[ -n "${ONLY}" ]]; then
  LOCKS=(requirements-uv.txt requirements.txt)
fi
case "${ONLY}" in
"") ;;
bake) TOOLS=(packer:packer ssh:openssh-client) ;;
deploy) TOOLS=() ;;
*)
  printf 'RAYKILN_ONLY is "%s"; it may be bake or deploy.\n' "${ONLY}" >&2
  exit 1
  ;;
esac

say() { printf '%s\n' "$*" >&2; }

# Print the Debian packages that the command $1 lacks.
missing_packages() {
  local entry
  for entry in "${TOOLS[@]}"; do
    command -v "${entry%%:*}" >/dev/null || printf '%s\n' "${entry##*:}"
  done
  [[ -n "${ONLY}" || -e "${DEBIAN_KEYS}" ]] || printf 'debian-archive-keyring\n'
  # Pages are tested in a browser. Ubuntu has Chromium only as a snap.
  if [[ "$1" =~ ^(test|thorough)$ && "$(</etc/os-release)" == *'ID=debian'* ]]; then
    command -v chromedriver >/dev/null || printf 'chromium-driver\n'
  fi
  venv_works || has_ensurepip || printf 'python3-venv\n'
}

# Print the path of a Python that is new enough.
find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "${candidate}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "${candidate}"
      return
    fi
  done
  return 1
}

has_ensurepip() {
  local python
  python="$(find_python)" && "${python}" -c 'import ensurepip' 2>/dev/null
}

# The Python that .venv was made with may be gone since, or be another version's.
venv_works() {
  [[ -x .venv/bin/pip ]] && .venv/bin/python -c '
import sys
from importlib.util import find_spec
sys.exit(sys.version_info < (3, 11) or find_spec("invoke") is None)' 2>/dev/null
}

# Mask the services of packages that are about to be installed: what is there already is left alone.
# A masked unit is not started by dpkg: deb-systemd-invoke(1p), systemctl(1).
mask_services() {
  local package units=()
  for package in "$@"; do
    if [[ "${SERVICES}" == *" ${package} "* ]]; then
      units+=("${package}.service")
    fi
  done
  if ((${#units[@]} > 0)) && command -v systemctl >/dev/null; then
    say "Masking ${units[*]}: the local cloud needs the programs alone"
    "${as_root[@]}" systemctl mask --quiet "${units[@]}"
  fi
}

install_packages() {
  local as_root=()
  if ((EUID != 0)); then
    if sudo --non-interactive true 2>/dev/null; then
      as_root=(sudo)
    else
      say "Missing: $*. An administrator must run:"
      say "  apt-get update && apt-get install --no-install-recommends $*"
      say "Until then the local cloud does not work; plan, deploy, status and the unit tests do."
      return 0
    fi
  fi
  mask_services "$@"
  say "Installing with apt: $*"
  "${as_root[@]}" apt-get update -qq
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends "$@" >/dev/null; then
    say "apt could not install: $*"
    say "  → see its words above; Packer can also come from its makers' own packages."
    return 1
  fi
}

# Everything in .venv is what the locks say, hash by hash; the stamp is written last.
install_venv() {
  local stamp index python
  stamp="$(cat -- "${LOCKS[@]}" | sha256sum)"
  if [[ -e .venv/.stamp && "$(<.venv/.stamp)" == "${stamp}" ]] && venv_works; then
    return
  fi
  if ! python="$(find_python)"; then
    say "Python 3.11 or later is needed and was not found."
    say "  → install it (Debian 12 and Ubuntu 24.04 have it as python3), then run this again."
    return 1
  fi
  say "Installing Python packages into .venv"
  rm -f .venv/.stamp
  if venv_works; then
    "${python}" -m venv .venv
  else
    "${python}" -m venv --clear .venv
  fi
  # Not .venv/bin/pip: its shell script does not quote the name of this folder.
  .venv/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements-uv.txt
  # uv does not read pip's settings: tell it of an index that pip was told of.
  index="$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)"
  if [[ -n "${index}" ]]; then
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${index}}"
  fi
  .venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes "${LOCKS[@]}"
  printf '%s\n' "${stamp}" >.venv/.stamp
}

# Python makes no venv in a folder with a colon in its name: PATH has colons between its folders.
check_folder() {
  if [[ "${PWD}" == *:* ]]; then
    say "${PWD}: Raykiln cannot be in a folder whose name has a colon."
    say "  → move the clone to another folder, then run this again."
    return 1
  fi
}

main() {
  local packages
  check_folder
  mapfile -t packages < <(missing_packages "${1:-}")
  if ((${#packages[@]} > 0)); then
    install_packages "${packages[@]}"
  fi
  install_venv
  if (($# == 0)); then
    set -- --list
  fi
  exec .venv/bin/python -m commands "$@"
}

main "$@"
