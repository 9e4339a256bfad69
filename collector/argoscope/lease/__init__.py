"""Without a volume: a Lease that says up to where a daemon has counted, for the one after it."""
