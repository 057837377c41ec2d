# Sizes of qa: as dev, with room for a copy of a day of prod.
environment          = "qa"
region               = "eu-central-1"
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"
deletion_protection  = true

# Documentation addresses (RFC 5737): replace them with the ranges of Azure's service tag Sql.<region>
# of the shop's database.
network = {
  cidr_block = "10.41.0.0/16"
  azure_sql = {
    egress      = "nat"
    cidr_blocks = ["203.0.113.0/24"]
  }
}

kafka = {
  instance_type       = "kafka.m7g.large"
  volume_size_gib     = 100
  max_volume_size_gib = 500
}

redshift = {
  mode       = "serverless"
  serverless = { base_rpus = 8, max_rpus = 32, rpu_hours_per_day = 240, breach_action = "deactivate" }
}

streaming_groups = {
  customer-cdc = { tables = ["customers", "customer_addresses"], worker_type = "G.1X" }
  order-cdc    = { worker_type = "G.1X" }
}

dbt = {
  schedule = "rate(1 hour)"
}

alarms = {
  monthly_budget_usd = 6000
  nightly_plan       = true
}
