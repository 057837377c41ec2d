"""Kafka as people look after it: topics as declared, records read and written."""
