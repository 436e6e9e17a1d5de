"""What is there now: instances, group, lease, alarms, Ray's own view. Reads AWS and Ray."""
