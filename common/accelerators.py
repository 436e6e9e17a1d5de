"""What Ray calls the GPUs of EC2's instance types, for ``@ray.remote(accelerator_type="L4")``.
Data; no AWS.

A node's Ray takes the name from the driver (ray/_private/accelerators/nvidia_gpu.py,
_gpu_name_to_accelerator_type, Ray 2.60), and the names that tasks ask for are constants of
ray.util.accelerators. EC2's own name, which Ray's provider for AWS takes as it is
(get_ec2_instance_accelerator_type, there), is not always the same. A GPU whose name Ray has no
constant for, as T4g, is not here; nor are AWS's Neuron cores, which no group counts yet.
"""

# EC2's name (GpuInfo, Gpus, Name in DescribeInstanceTypes), and Ray's.
RAYS_NAMES = {
    "A100": "A100",
    "A10G": "A10G",
    "B200": "B200",
    "B300": "B300",
    "H100": "H100",
    "H200": "H200",
    "L4": "L4",
    "L40S": "L40S",
    "RTX PRO Server 6000": "RTX-PRO-6000",
    "T4": "T4",
    "V100": "V100",
}
# How Ray names the resource of which each node with such a GPU has one: RESOURCE_CONSTRAINT_PREFIX
# of ray/_common/utils.py, Ray 2.60.
PREFIX = "accelerator_type:"
