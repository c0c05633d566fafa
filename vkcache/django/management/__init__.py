"""The commands of manage.py; one subpackage, as Django looks for it."""
