#!/usr/bin/env bash
#
# Install a person's units, and enable those that say where they are wanted.
#
# Needs   UPLOADS
# Leaves  the units in /etc/systemd/system; those with an [Install] section enabled, none started
# Proof   tests/image/test_additions.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

units=("${UPLOADS}"/additions/units/*)
((${#units[@]} > 0)) || exit 0

names=()
for unit in "${units[@]}"; do
  name="$(basename "${unit}")"
  if ! cmp --quiet "${unit}" "/etc/systemd/system/${name}" && systemctl cat "${name}" >/dev/null 2>&1; then
    die "units: the image has a ${name} already"
  fi
  names+=("${name}")
done
install -o root -g root -m 0644 "${units[@]}" /etc/systemd/system/
systemctl daemon-reload
# It exits with 0 on a key that systemd does not know, so its lines tell; others are the base's.
wrong="$(systemd-analyze verify --man=no "${names[@]/#//etc/systemd/system/}" 2>&1 |
  grep -F "${names[@]/#/--regexp=}" || true)"
[[ -z "${wrong}" ]] || die "units: systemd-analyze verify says: ${wrong}"
for name in "${names[@]}"; do
  if grep -q '^\[Install\]' "/etc/systemd/system/${name}"; then
    systemctl --quiet enable "${name}"
  fi
done
