"""What drills share: fault injection, the observer, phases, records, reports."""
