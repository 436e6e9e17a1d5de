"""Data sources of cloud-init for the local cloud's machines (datasource_pkg_list in /etc/cloud)."""
