#!/usr/bin/env bash
#
# Make what depends on the moment of a bake, or on the order of its work, the same in each bake.
#
# Needs   UPLOADS, SOURCE_DATE_EPOCH: when the base image was made, in seconds since 1970
# Leaves  every module in /opt/ray and /opt/raykiln compiled: without .pyc files a head needs 25 s
#         instead of 8 to come up. No user's password was changed after the base image was made
# Proof   tests/image/test_ray.py, tests/unit/bake/test_reproducible.py, tests/cloud/test_compare.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS SOURCE_DATE_EPOCH

readonly BATCH=200

# By default a .pyc file holds the time of its source. One that is used unchecked (PEP 552) does not;
# a person's changes of a module come before this script. What is marshalled also depends on what the
# process has compiled before, and sets on hash seeds: so each process gets a list that is fixed.
find /opt/ray/lib /opt/raykiln -name '*.py' -print0 | LC_ALL=C sort -z |
  PYTHONHASHSEED=0 xargs -0 -n "${BATCH}" -P "$(nproc)" \
    /opt/ray/bin/python -B -m compileall -q -f --invalidation-mode unchecked-hash

# Users that cloud-init and a person made have the day of the bake.
for file in /etc/shadow /etc/shadow-; do
  aged="$(awk -v day="$((SOURCE_DATE_EPOCH / 86400))" -f "${UPLOADS}/provisioners/aged.awk" "${file}")"
  printf '%s\n' "${aged}" >"${file}"
done
