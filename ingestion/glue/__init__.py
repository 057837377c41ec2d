"""Entry scripts for AWS Glue; they import awsglue, which exists there only."""
