"""What was counted, kept across restarts: values, records and runs in one SQLite file."""
