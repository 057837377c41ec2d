# Sizes of dev: the smallest that AWS offers for each part.
environment          = "dev"
region               = "eu-central-1"
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"
deletion_protection  = false

# Documentation addresses (RFC 5737): replace them with the ranges of Azure's service tag Sql.<region>
# of the shop's database.
network = {
  cidr_block = "10.40.0.0/16"
  azure_sql = {
    egress      = "nat"
    cidr_blocks = ["203.0.113.0/24"]
  }
}

kafka = {
  instance_type       = "kafka.m7g.large"
  volume_size_gib     = 50
  max_volume_size_gib = 200
}

redshift = {
  mode       = "serverless"
  serverless = { base_rpus = 8, max_rpus = 16, rpu_hours_per_day = 200, breach_action = "deactivate" }
}

streaming_groups = {
  customer-cdc = { tables = ["customers", "customer_addresses"], worker_type = "G.025X" }
  order-cdc    = { worker_type = "G.025X" }
}

dbt = {
  schedule = "rate(1 hour)"
}

alarms = {
  monthly_budget_usd = 4500
  nightly_plan       = true
}
