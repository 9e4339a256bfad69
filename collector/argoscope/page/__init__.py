"""The landing page: its answers, its template, its style."""
