"""The core: pure functions from a call to a plan. No IO, no clock, no randomness, no threads."""
