"""How the pipeline is doing: how far each table has come, and what stands in its way."""
