data "aws_caller_identity" "this" {
  provider = aws.credentials
}

locals {
  # Which state this is. A configuration is told nothing of its backend, but `init` notes it in this file; null without one in S3.
  backend = try(jsondecode(file("${path.root}/.terraform/terraform.tfstate")).backend.config, {})
  prefix  = terraform.workspace == "default" ? "" : "env:/${terraform.workspace}/"
  state   = try("s3://${local.backend.bucket}/${local.prefix}${local.backend.key}", null)

  name       = "${var.project}-${var.environment}"
  account_id = data.aws_caller_identity.this.account_id
  boundary   = "arn:aws:iam::${local.account_id}:policy/${local.name}-boundary"

  # Folders of the landing zone and what is in them: the declared tables and the connector's topics.
  landing_tables = merge(
    { for name, table in module.declarations.tables : name => table.description },
    { for folder, topic in module.declarations.connector_topics : folder => "Records of Debezium's own topic ${topic}." },
  )

  # Where the project's own metrics are put and looked at; roles may put them nowhere else.
  metrics_namespace = "RetailLakehouse"

  landing  = "s3a://${module.lake.bucket_names["landing"]}/landing"
  progress = "s3a://${module.lake.bucket_names["landing"]}/checkpoints"

  # Everything that dbt, Ansible, workflows and tasks need to know of this environment.
  settings = merge(
    {
      AWS_REGION                        = var.region
      LAKEHOUSE_SOURCE                  = "sqlserver"
      LAKEHOUSE_LANDING                 = local.landing
      LAKEHOUSE_CHECKPOINTS             = local.progress
      LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS = module.msk.bootstrap_brokers
      LAKEHOUSE_KAFKA_AUTH              = "iam"
      LAKEHOUSE_ENVIRONMENT             = var.environment
      LAKEHOUSE_METRICS_NAMESPACE       = local.metrics_namespace
      LAKEHOUSE_ECS_CLUSTER             = module.orchestration.cluster_name
      LAKEHOUSE_TASK_SUBNETS            = join(",", module.network.private_subnet_ids)
      LAKEHOUSE_TASK_SECURITY_GROUPS    = module.network.security_group_ids["tasks"]
      LAKEHOUSE_IMAGE_REPOSITORY        = module.orchestration.repository_url
      LAKEHOUSE_GLUE_JOBS               = join(",", values(module.glue.job_names))
      LAKEHOUSE_GLUE_DATABASE           = module.glue.database_names["landing"]
      LAKEHOUSE_ARTIFACTS_BUCKET        = module.lake.bucket_names["artifacts"]
      LAKEHOUSE_SHOP_DATABASE_SECRET    = module.secrets.names["shop-database"]
      LAKEHOUSE_PII_SALT_SECRET         = module.secrets.names["pii-salt"]
      LAKEHOUSE_REDSHIFT_HOST           = module.redshift.endpoint.host
      LAKEHOUSE_REDSHIFT_PORT           = tostring(module.redshift.endpoint.port)
      LAKEHOUSE_REDSHIFT_DATABASE       = module.redshift.database
      LAKEHOUSE_REDSHIFT_IAM_ROLE       = module.iam.role_arns["redshift"]
      LAKEHOUSE_REDSHIFT_TRANSFORMER    = "IAMR:${module.iam.role_names["dbt"]}"
      LAKEHOUSE_REDSHIFT_LOADER         = "IAMR:${module.iam.role_names["operations"]}"
      LAKEHOUSE_REDSHIFT_METHOD         = "iam_role"
      LAKEHOUSE_REDSHIFT_SERVERLESS     = tostring(var.redshift.mode == "serverless" || try(var.redshift.existing.workgroup_arn, null) != null)
    },
    { for key, value in module.connect.connector : "LAKEHOUSE_CONNECT_${upper(key)}" => try(join(",", value), tostring(value)) if value != null },
    { for key, value in {
      LAKEHOUSE_REDSHIFT_WORKGROUP    = module.redshift.endpoint.workgroup_name
      LAKEHOUSE_REDSHIFT_CLUSTER      = module.redshift.endpoint.cluster_identifier
      LAKEHOUSE_REDSHIFT_ADMIN_SECRET = module.redshift.endpoint.admin_secret_arn
    } : key => value if value != null },
  )
  environment_file = join("", [for key in sort(keys(local.settings)) : "${key}=${local.settings[key]}\n"])
}

# Whose state this is, wherever it was copied to: what stands in it stays.
resource "terraform_data" "owner" {
  input = "${local.name} in account ${local.account_id}"

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = self.output == "${local.name} in account ${local.account_id}"
      error_message = "This state is of ${self.output}, tfvars and credentials are of ${local.name} in account ${local.account_id}. Take those of the state; if it was copied over another, put the bucket's earlier version of that one back."
    }
  }
}

module "declarations" {
  source = "./modules/declarations"

  connector = "sqlserver"
}

module "encryption" {
  source = "./modules/encryption"

  name       = local.name
  account_id = local.account_id
  region     = var.region
}

module "network" {
  source = "./modules/network"

  name                          = local.name
  account_id                    = local.account_id
  region                        = var.region
  cidr_block                    = var.network.cidr_block
  zones                         = var.network.zones
  existing                      = var.network.existing
  azure_sql                     = var.network.azure_sql
  unavailable_endpoints         = var.network.unavailable_endpoints
  prometheus_security_group_ids = var.network.prometheus_security_group_ids
  logs_kms_key_arn              = module.encryption.key_arns["logs"]
  permissions_boundary_arn      = local.boundary
}

module "lake" {
  source = "./modules/lake"

  name          = local.name
  account_id    = local.account_id
  kms_key_arn   = module.encryption.key_arns["data"]
  tables        = keys(local.landing_tables)
  force_destroy = !var.deletion_protection
  replica       = var.landing_replica == null ? null : merge(var.landing_replica, { role_arn = module.iam.role_arns["replication"] })
}

module "secrets" {
  source = "./modules/secrets"

  name                = local.name
  account_id          = local.account_id
  kms_key_arn         = module.encryption.key_arns["secrets"]
  rotation_lambda_arn = var.shop_database_rotation_lambda_arn
}

module "msk" {
  source = "./modules/msk"

  name                = local.name
  existing            = var.kafka.existing
  kafka_version       = var.kafka.version
  instance_type       = var.kafka.instance_type
  volume_size_gib     = var.kafka.volume_size_gib
  max_volume_size_gib = var.kafka.max_volume_size_gib
  subnet_ids          = slice(module.network.private_subnet_ids, 0, 3)
  security_group_id   = module.network.security_group_ids["msk"]
  kms_key_arn         = module.encryption.key_arns["data"]
  logs_kms_key_arn    = module.encryption.key_arns["logs"]
}

module "iam" {
  source = "./modules/iam"

  name                     = local.name
  environment              = var.environment
  account_id               = local.account_id
  region                   = var.region
  github_repository        = var.github_repository
  github_repository_id     = var.github_repository_id
  permissions_boundary_arn = local.boundary
  bucket_arns              = module.lake.bucket_arns
  key_arns                 = module.encryption.key_arns
  secret_arns              = module.secrets.arns
  msk_cluster_arn          = module.msk.cluster_arn
  topics                   = module.declarations.topics
  table_topics             = flatten([for table in module.declarations.tables : table.topics])
  connector_topics         = values(module.declarations.connector_topics)
  schema_history_topic     = module.declarations.schema_history_topic
  topic_prefix             = module.declarations.topic_prefix
  metrics_namespace        = local.metrics_namespace
  repository_arn           = module.orchestration.repository_arn
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.private_subnet_ids
  glue_security_group_id   = module.network.security_group_ids["glue"]

  connect_security_group_id = module.network.security_group_ids["connect"]
  landing_replica           = var.landing_replica
  lake_target               = length(var.lake_target.batch_jobs) + length(var.lake_target.optimized_tables) > 0
  redshift = {
    workgroup_arn      = module.redshift.endpoint.workgroup_arn
    namespace_arn      = module.redshift.namespace_arn
    cluster_identifier = module.redshift.endpoint.cluster_identifier
    database           = module.redshift.database
    admin_secret_arn   = module.redshift.endpoint.admin_secret_arn
  }
}

module "connect" {
  source = "./modules/connect"

  name                    = local.name
  region                  = var.region
  artifacts_bucket        = module.lake.bucket_names["artifacts"]
  plugin_file             = var.connect.plugin_file
  plugin_uploaded         = var.connect.plugin_uploaded
  connector_configuration = var.connect.connector_configuration
  mcu_count               = var.connect.mcu_count
  role_arn                = module.iam.role_arns["connector"]
  bootstrap_brokers       = module.msk.bootstrap_brokers
  subnet_ids              = module.network.private_subnet_ids
  security_group_id       = module.network.security_group_ids["connect"]
  logs_kms_key_arn        = module.encryption.key_arns["logs"]
}

module "glue" {
  source = "./modules/glue"

  name              = local.name
  account_id        = local.account_id
  kms_key_arn       = module.encryption.key_arns["data"]
  logs_kms_key_arn  = module.encryption.key_arns["logs"]
  bucket_names      = module.lake.bucket_names
  role_arns         = module.iam.role_arns
  declarations_file = module.declarations.file
  tables            = local.landing_tables
  streaming_groups  = var.streaming_groups
  batch_jobs        = var.lake_target.batch_jobs
  optimized_tables  = var.lake_target.optimized_tables
  job_arguments = {
    bootstrap_servers = module.msk.bootstrap_brokers
    kafka_auth        = "iam"
    source            = "sqlserver"
    landing           = local.landing
    checkpoints       = local.progress
    environment       = var.environment
    metrics_namespace = local.metrics_namespace
  }
  release           = var.release
  encrypt_catalog   = var.encrypt_catalog
  availability_zone = one(slice(concat(module.network.availability_zones, [null]), 0, 1))
  subnet_id         = module.network.private_subnet_ids[0]
  security_group_id = module.network.security_group_ids["glue"]
}

module "redshift" {
  source = "./modules/redshift"

  name                    = local.name
  mode                    = var.redshift.mode
  existing                = var.redshift.existing
  serverless              = var.redshift.serverless
  provisioned             = var.redshift.provisioned
  snapshot_retention_days = var.redshift.snapshot_retention_days
  deletion_protection     = var.deletion_protection
  role_arn                = module.iam.role_arns["redshift"]
  scheduler_role_arn      = module.iam.role_arns["scheduler"]
  failed_starts_queue_arn = module.orchestration.failed_starts_queue_arn
  subnet_ids              = module.network.private_subnet_ids
  security_group_id       = module.network.security_group_ids["redshift"]
  kms_key_arn             = module.encryption.key_arns["data"]
  secrets_kms_key_arn     = module.encryption.key_arns["secrets"]
  logs_kms_key_arn        = module.encryption.key_arns["logs"]
}

module "orchestration" {
  source = "./modules/orchestration"

  name                 = local.name
  region               = var.region
  artifacts_bucket     = module.lake.bucket_names["artifacts"]
  environment_file     = local.environment_file
  role_arns            = module.iam.role_arns
  release              = var.release
  dbt_task             = var.dbt.task
  dbt_schedule         = var.dbt.schedule
  dbt_schedule_enabled = var.dbt.schedule_enabled
  dbt_command          = ["dbt", "build", "--target", var.environment, "--exclude-resource-type", "unit_test"]
  audit_command        = ["dbt", "test", "--target", var.environment, "--vars", "{audit: full}", "--exclude-resource-type", "unit_test"]
  measure_minutes      = var.alarms.measure_minutes
  warehouse_tasks      = { for name in ["measure", "archive"] : name => ["python", "-m", "lakehouse.delivery", "as-administrator", "--", "lakehouse", "warehouse", name, "--target", var.environment] }
  subnet_ids           = module.network.private_subnet_ids
  security_group_id    = module.network.security_group_ids["tasks"]
  kms_key_arn          = module.encryption.key_arns["data"]
  logs_kms_key_arn     = module.encryption.key_arns["logs"]
  force_destroy        = !var.deletion_protection
}

module "monitoring" {
  source = "./modules/monitoring"

  name                     = local.name
  environment              = var.environment
  account_id               = local.account_id
  region                   = var.region
  runbook_url              = "https://github.com/${replace(var.github_repository, "/@[0-9]+/", "")}/blob/main/docs/runbooks/operations.md"
  alarm_emails             = var.alarms.emails
  thresholds               = var.alarms.thresholds
  monthly_budget_usd       = var.alarms.monthly_budget_usd
  metrics_namespace        = local.metrics_namespace
  measure_minutes          = var.alarms.measure_minutes
  warehouse                = { mode = var.redshift.mode, max_rpus = var.redshift.serverless.max_rpus }
  landing_jobs             = module.glue.job_names
  msk_cluster_name         = module.msk.cluster_name
  connector_name           = module.connect.connector.name
  state_machine_arn        = module.orchestration.state_machine_arn
  failed_starts_queue_name = module.orchestration.failed_starts_queue_name
  failed_starts_queue_arn  = module.orchestration.failed_starts_queue_arn
  glue_job_names           = concat(values(module.glue.job_names), values(module.glue.batch_job_names))
  logs_kms_key_arn         = module.encryption.key_arns["logs"]
  nightly_plan             = var.alarms.nightly_plan
  replicated_buckets       = var.landing_replica == null ? {} : { landing = module.lake.bucket_names["landing"] }
}
