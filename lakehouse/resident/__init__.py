"""`lakehouse run`: the process that builds whenever something has landed, and publishes."""
