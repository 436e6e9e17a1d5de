"""Containers for the local cloud: ECR's registry, and the tasks of ECS."""
