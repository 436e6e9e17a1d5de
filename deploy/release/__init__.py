"""What is asked for and kept in S3: releases, their documents, the journal of rollouts."""
