"""What a node has mounted before Ray starts: its own NVMe disks, and EFS."""
