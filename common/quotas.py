"""The account's quotas of running vCPUs, by instance type and market. Reads AWS (Service Quotas).

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

import re

from common.clients import Clients
from common.worker_groups import Market

# Running On-Demand instances, in vCPUs, by the first letters of the instance type.
STANDARD = "L-1216C47A"
QUOTAS = {
    "dl": "L-6E869C2A",
    "f": "L-74FC7D96",
    "g": "L-DB2E81BA",
    "gr": "L-DB2E81BA",
    "vt": "L-DB2E81BA",
    "hpc": "L-F7808C92",
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "trn": "L-2C3B7624",
    "u": "L-43DA4232",
    "x": "L-7295265B",
}
# Spot instance requests, in vCPUs, likewise; families that are not here count as standard ones.
STANDARD_SPOT = "L-34B43A08"
SPOT_QUOTAS = {
    "dl": "L-85EED4F7",
    "f": "L-88CF9481",
    "g": "L-3819A6DF",
    "gr": "L-3819A6DF",
    "vt": "L-3819A6DF",
    "inf": "L-B5D1601B",
    "p": "L-7212CCBC",
    "p5": "L-C4BD4855",
    "trn": "L-6B0D517C",
    "x": "L-E3A00192",
}


def quota_of(instance_type: str, market: Market = "on-demand") -> str:
    """Return the code of the quota that an instance type counts against."""
    family = instance_type.partition(".")[0]
    quotas, standard = (SPOT_QUOTAS, STANDARD_SPOT) if market == "spot" else (QUOTAS, STANDARD)
    letters, generation = re.match(r"[a-z]*", family), re.match(r"[a-z]+\d+", family)
    names = [found.group() for found in (generation, letters) if found]
    return next((quotas[name] for name in names if name in quotas), standard)


def quota_limit(clients: Clients, code: str, service: str = "ec2") -> float:
    """Return how much a quota allows, EC2's in vCPUs; raises botocore's errors."""
    answer = clients("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    return float(answer["Quota"]["Value"])
