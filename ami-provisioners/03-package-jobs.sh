#!/usr/bin/env bash
#
# Stop what changes packages in the background, and wait for what is in the middle of it. A base
# image starts these jobs at its first boot, which is the build instance's.
#
# Needs   UPLOADS
# Leaves  no job of apt at work, apt's and dpkg's locks free, snaps seeded and their refreshes held.
#         The units are stopped, not disabled, and 50-units.sh masks those that no image may start;
#         the hold of the snaps stays too, for the reason in roles/masked.units
# Proof   tests/unit/bake/test_package_jobs.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

readonly LOCK_SECONDS=900 SNAP_SECONDS=300

# A job that is at work is told to stop, but not killed within a package: apt-daily-upgrade.service
# and unattended-upgrades.service have KillMode=process. So the locks tell when it has finished.
while IFS= read -r unit; do
  state="$(systemctl show --value --property ActiveState "${unit}")"
  if [[ "${state}" != inactive && "${state}" != failed ]]; then
    systemctl stop "${unit}"
    # A oneshot job that is stopped counts as failed; that is no fact of the base image.
    if systemctl --quiet is-failed "${unit}"; then
      systemctl reset-failed "${unit}"
    fi
  fi
done < <(entries "${UPLOADS}/provisioners/roles/masked.units" | sort --reverse) # timers first

# Seeding adds units; a refresh replaces units by those of another revision.
if command -v snap >/dev/null; then
  timeout "${SNAP_SECONDS}" snap wait system seed.loaded ||
    die "snapd has not seeded its snaps in ${SNAP_SECONDS} s: see snap changes on the base image"
  snap refresh --hold >/dev/null
  # The question mark: it is no error when there was none. How it ended does not matter.
  timeout "${SNAP_SECONDS}" snap watch '--last=auto-refresh?' >/dev/null || true
fi

python3 -I "${UPLOADS}/provisioners/package_locks.py" "${LOCK_SECONDS}"
