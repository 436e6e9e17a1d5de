#!/usr/bin/env bash
#
# Record what the base image has before anything changes, for image tests to compare with.
#
# Needs   UPLOADS
# Leaves  /etc/raykiln/base.json
# Proof   tests/image/test_units.py test_users.py test_files.py test_clean.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

install -d -m 0755 /etc/raykiln
python3 -I "${UPLOADS}/provisioners/facts.py" >/etc/raykiln/base.json
chmod 0644 /etc/raykiln/base.json
