"""Where a step goes."""
