"""The head: its guard, and what the guard needs of AWS, Ray and systemd."""
