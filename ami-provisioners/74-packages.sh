#!/usr/bin/env bash
#
# Install a person's packages with the base's package manager, from the base's own archives.
#
# Needs   UPLOADS
# Leaves  each package of packages.txt, and what it depends on; recommended ones are left out
# Proof   tests/unit/bake/test_added_packages.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

readonly LOCK_SECONDS=300

mapfile -t packages < <(entries "${UPLOADS}/additions/packages.txt")
((${#packages[@]} > 0)) || exit 0
command -v apt-get >/dev/null ||
  die "the base image has no apt-get: remove packages, or choose a base of Debian or Ubuntu"

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
options=(-q -o "DPkg::Lock::Timeout=${LOCK_SECONDS}")
# By default apt-get update succeeds when an archive cannot be reached.
apt-get "${options[@]}" -o APT::Update::Error-Mode=any update ||
  die "the base's package archives cannot be reached from the build instance's subnet"
for package in "${packages[@]}"; do
  # apt-get install takes a name that no package has for a regular expression.
  apt-cache show "${package}" >/dev/null 2>&1 ||
    die "packages: the base's archives have no ${package}"
done
apt-get "${options[@]}" install --yes --no-install-recommends "${packages[@]}"
for package in "${packages[@]}"; do
  status="$(dpkg-query --show --showformat='${db:Status-Abbrev}' "${package}" 2>/dev/null || true)"
  [[ "${status}" == ii* ]] || die "packages: ${package} is not installed: name a package, not a virtual one"
done
