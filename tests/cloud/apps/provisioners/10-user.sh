#!/bin/sh
# A user of the person's own, and a file from the folder beside this script.
set -e
useradd --system --home-dir /opt/apps --shell /usr/sbin/nologin apps
install -D -o root -g root -m 0644 files/index.html /opt/apps/index.html
