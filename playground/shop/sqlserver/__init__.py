"""The shop's activity as the events of the SQL Server connector, which cannot run here."""
