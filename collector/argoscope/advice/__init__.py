"""Advice: what could be done about a run, with the evidence for it. One file a rule."""
