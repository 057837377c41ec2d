module "platform" {
  source = "../../modules/platform"

  environment         = "dev"
  github_repository   = var.github_repository
  deletion_protection = false
  network             = { cidr_block = "10.40.0.0/16", azure_sql = var.azure_sql }
  kafka               = var.kafka
  connect             = var.connect
  redshift            = var.redshift
  streaming_groups    = var.streaming_groups
  dbt                 = var.dbt
  alarms              = var.alarms
}
