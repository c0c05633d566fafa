"""What `manage.py vkcache_check` looks at: facts are gathered first, and findings follow from them alone.

What may enter: a check. `asking` and `visiting` talk to servers and gather facts; every other module
turns facts into findings and opens nothing.
"""
