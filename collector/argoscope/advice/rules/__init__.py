"""The rules: each file here ends in ``RULE = Rule(...)``, and is found by itself."""
