"""The simulated shop: its database, its activity, and that activity as SQL Server events."""
