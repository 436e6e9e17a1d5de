"""What drills share: the scene, the client that watches, phases, records, reports."""
