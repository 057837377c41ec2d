"""A stand-in for Amazon Redshift: a PostgreSQL-wire proxy in front of a real PostgreSQL.

The unmodified dbt-redshift and redshift_connector connect to it. It translates Redshift SQL,
refuses what Redshift refuses (`rules`), reads a real Kafka broker when a streaming view is
refreshed and the landing's Parquet files when a Spectrum table is queried. the README says
what it cannot prove.
"""
