"""Landing: Kafka's records as Parquet files, each once, with a ledger that proves it."""
