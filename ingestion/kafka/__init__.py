"""The brokers: how to connect to them, and what they hold."""
