"""Between Kafka and dbt: declarations, topics, landing, and the tools of people on duty."""
