"""``argoscope bench``: loads a cluster with Workflows or Rollouts and times their ends."""
