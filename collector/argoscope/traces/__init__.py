"""Run attempts that have ended, as OTLP traces: spans made of timelines, kept until received."""
