#!/usr/bin/env bash
#
# Install a person's Python packages beside Ray, from hash-checked wheels; no network. Ray's own
# packages keep their versions: bake/ leaves those out of the list.
#
# Needs   UPLOADS
# Leaves  the packages in /opt/ray, owned by root; 86-reproducible.sh compiles them
# Proof   tests/image/test_ray.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

requirements="${UPLOADS}/additions/added.txt"
[[ -s "${requirements}" ]] || exit 0

before="$(/opt/ray/bin/python -B -m pip freeze --all | sort)"
PIP_CONFIG_FILE=/dev/null /opt/ray/bin/python -B -m pip install \
  --quiet --no-index --find-links "${UPLOADS}/added-wheels" --no-deps --require-hashes \
  --no-compile --no-cache-dir --disable-pip-version-check --root-user-action ignore \
  --requirement "${requirements}"

changed="$(comm -23 <(printf '%s\n' "${before}") <(/opt/ray/bin/python -B -m pip freeze --all | sort))"
[[ -z "${changed}" ]] || die "requirements: packages of Ray's own were changed: ${changed}"
/opt/ray/bin/python -B -m pip check || die "requirements: packages in /opt/ray conflict"
