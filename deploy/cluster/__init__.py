"""The current state: instances, group, lease, alarms, Ray's own view. Reads AWS and Ray."""
