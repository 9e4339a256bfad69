"""Recording and alerting rules for what argoscope measures, as code."""
