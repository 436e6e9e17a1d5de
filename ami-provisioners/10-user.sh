#!/usr/bin/env bash
#
# Create the system user that Ray runs as.
#
# Needs   nothing
# Leaves  user and group ray without a login shell; its home /var/lib/ray
# Proof   tests/image/test_users.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"

if ! id ray >/dev/null 2>&1; then
  useradd --system --user-group --home-dir /var/lib/ray --no-create-home \
    --shell /usr/sbin/nologin ray
fi
install -d -o ray -g ray -m 0750 /var/lib/ray
