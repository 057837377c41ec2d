# Sizes of prod.
environment          = "prod"
region               = "eu-central-1"
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"
deletion_protection  = true

# Replace them: the accounts of dev and qa, which prod does not share.
other_account_ids = ["111122223333", "444455556666"]

# Documentation addresses (RFC 5737): replace them with the ranges of Azure's service tag Sql.<region>
# of the shop's database. A NAT gateway per zone: the loss of a zone stops no connector.
network = {
  cidr_block = "10.42.0.0/16"
  azure_sql = {
    egress       = "nat"
    cidr_blocks  = ["203.0.113.0/24"]
    nat_per_zone = true
  }
}

kafka = {
  instance_type       = "kafka.m7g.xlarge"
  volume_size_gib     = 500
  max_volume_size_gib = 4000
}

redshift = {
  mode                    = "provisioned"
  provisioned             = { node_type = "ra3.xlplus", nodes = 2 }
  snapshot_retention_days = 35
}

streaming_groups = {
  customer-cdc = { tables = ["customers", "customer_addresses"], workers = 2 }
  order-cdc    = { workers = 4 }
}

dbt = {
  task     = { cpu = 2048, memory = 8192 }
  schedule = "rate(15 minutes)"
}

alarms = {
  # Replace it: each address confirms its subscription once (docs/runbooks/break_glass.md says how).
  emails             = ["on-call@example.com"]
  monthly_budget_usd = 9000
  nightly_plan       = true
}

# Replace it by the output of infra/terraform/replica, applied in the account that keeps the copy.
landing_replica = {
  account_id = "999988887777"
  bucket     = "retail-lakehouse-prod-replica-999988887777"
  key_arn    = "arn:aws:kms:eu-west-1:999988887777:key/00000000-0000-0000-0000-000000000000"
}
