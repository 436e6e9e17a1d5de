#!/usr/bin/env bash
#
# Create the system users that Ray and its autoscaler run as.
#
# Needs   nothing
# Leaves  user and group ray without a login shell; its home /var/lib/ray. User ray-autoscaler, in
#         group ray, without either
# Proof   tests/image/test_users.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"

if ! id ray >/dev/null 2>&1; then
  useradd --system --user-group --home-dir /var/lib/ray --no-create-home \
    --shell /usr/sbin/nologin ray
fi
if ! id ray-autoscaler >/dev/null 2>&1; then
  useradd --system --gid ray --home-dir /nonexistent --no-create-home \
    --shell /usr/sbin/nologin ray-autoscaler
fi
install -d -o ray -g ray -m 0750 /var/lib/ray
