"""cloud-init's own Ec2 source, told that it runs on AWS.

cloud-init knows AWS by firmware that a container cannot show (``identify_platform``), and asks for
metadata tokens on AWS alone (``_maybe_fetch_api_token``); without this it would try version 1 of
the metadata service only.
"""

from cloudinit import sources
from cloudinit.sources import DataSourceEc2 as Ec2


class DataSourceEc2(Ec2.DataSourceEc2):
    """The network-stage source; there is no DHCP for the earlier one."""

    def _get_cloud_name(self):
        return Ec2.CloudNames.AWS


datasources = [(DataSourceEc2, (sources.DEP_FILESYSTEM, sources.DEP_NETWORK))]


def get_datasource_list(depends):
    return sources.list_from_depends(depends, datasources)
