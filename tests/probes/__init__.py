"""What Raykiln takes for granted about AWS, one small question to AWS a file.

``invoke probe --env NAME`` asks them in a real account and prints what AWS did; the unit tests ask
the local cloud the same, so that it stands in for AWS where it matters.
"""
