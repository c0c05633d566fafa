"""A Valkey cache for Django and for plain Python. Public names, nothing else."""

__version__ = "0.1.0"
