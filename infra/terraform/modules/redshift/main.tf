# The warehouse (serverless, a cluster, or one that is there already), its snapshots and audit logs.
locals {
  serverless  = var.mode == "serverless"
  provisioned = var.mode == "provisioned"

  # Names of topics and of JSON keys are case sensitive; views keep the value that held when they
  # were made, so it is set for the whole warehouse.
  parameters = {
    require_ssl                      = "true"
    enable_case_sensitive_identifier = "true"
    enable_user_activity_logging     = "true"
  }
}

# ---------------------------------------------------------------------------------- serverless

resource "aws_redshiftserverless_namespace" "this" {
  count = local.serverless ? 1 : 0

  namespace_name                   = var.name
  db_name                          = var.database
  admin_username                   = var.admin_username
  manage_admin_password            = true
  admin_password_secret_kms_key_id = var.secrets_kms_key_arn
  kms_key_id                       = var.kms_key_arn
  default_iam_role_arn             = var.role_arn
  iam_roles                        = [var.role_arn]
  log_exports                      = ["connectionlog", "useractivitylog", "userlog"]
}

resource "aws_redshiftserverless_workgroup" "this" {
  count = local.serverless ? 1 : 0

  namespace_name       = aws_redshiftserverless_namespace.this[0].namespace_name
  workgroup_name       = var.name
  base_capacity        = var.serverless.base_rpus
  max_capacity         = var.serverless.max_rpus
  enhanced_vpc_routing = true
  publicly_accessible  = false
  port                 = 5439
  subnet_ids           = var.subnet_ids
  security_group_ids   = [var.security_group_id]

  dynamic "config_parameter" {
    for_each = local.parameters

    content {
      parameter_key   = config_parameter.key
      parameter_value = config_parameter.value
    }
  }
}

resource "aws_redshiftserverless_usage_limit" "compute" {
  count = local.serverless ? 1 : 0

  resource_arn  = aws_redshiftserverless_workgroup.this[0].arn
  usage_type    = "serverless-compute"
  amount        = var.serverless.rpu_hours_per_day
  period        = "daily"
  breach_action = var.serverless.breach_action
}

# Recovery points last a day; what is older comes back from these. Redshift Serverless has no schedule
# of its own.
resource "aws_scheduler_schedule" "snapshot" {
  count = local.serverless ? 1 : 0

  name                         = "${var.name}-snapshot"
  description                  = "Snapshot of the namespace."
  schedule_expression          = var.serverless.snapshot_schedule
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:scheduler:::aws-sdk:redshiftserverless:createSnapshot"
    role_arn = var.scheduler_role_arn
    # Scheduler puts the execution's identifier in, so that no name comes twice. It looks for the words as
    # they stand, and jsonencode writes "<" and ">" as escapes.
    input = replace(replace(jsonencode({
      NamespaceName   = aws_redshiftserverless_namespace.this[0].namespace_name
      SnapshotName    = "${var.name}-<aws.scheduler.execution-id>"
      RetentionPeriod = var.snapshot_retention_days
    }), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = var.failed_starts_queue_arn
    }
  }
}

# --------------------------------------------------------------------------------- provisioned

resource "aws_redshift_subnet_group" "this" {
  count = local.provisioned ? 1 : 0

  name        = var.name
  description = "Private subnets of ${var.name}."
  subnet_ids  = var.subnet_ids
}

resource "aws_redshift_parameter_group" "this" {
  count = local.provisioned ? 1 : 0

  name        = var.name
  family      = "redshift-2.0"
  description = "TLS only, case-sensitive identifiers, user activity log."

  parameter {
    name  = "require_ssl"
    value = "true"
  }

  parameter {
    name  = "enable_case_sensitive_identifier"
    value = "true"
  }

  parameter {
    name  = "enable_user_activity_logging"
    value = "true"
  }
}

resource "aws_redshift_cluster" "this" {
  count = local.provisioned ? 1 : 0

  cluster_identifier                  = var.name
  database_name                       = var.database
  node_type                           = var.provisioned.node_type
  cluster_type                        = var.provisioned.nodes > 1 ? "multi-node" : "single-node"
  number_of_nodes                     = var.provisioned.nodes
  master_username                     = var.admin_username
  manage_master_password              = true
  master_password_secret_kms_key_id   = var.secrets_kms_key_arn
  encrypted                           = true
  kms_key_id                          = var.kms_key_arn
  enhanced_vpc_routing                = true
  publicly_accessible                 = false
  port                                = 5439
  cluster_subnet_group_name           = aws_redshift_subnet_group.this[0].name
  cluster_parameter_group_name        = aws_redshift_parameter_group.this[0].name
  vpc_security_group_ids              = [var.security_group_id]
  iam_roles                           = [var.role_arn]
  default_iam_role_arn                = var.role_arn
  allow_version_upgrade               = true
  preferred_maintenance_window        = "sun:03:00-sun:04:00"
  automated_snapshot_retention_period = var.snapshot_retention_days
  skip_final_snapshot                 = !var.deletion_protection
  final_snapshot_identifier           = var.deletion_protection ? "${var.name}-final" : null

  logging {
    enable               = true
    log_destination_type = "cloudwatch"
    log_exports          = ["connectionlog", "useractivitylog", "userlog"]
  }
}

resource "aws_redshift_snapshot_schedule" "this" {
  count = local.provisioned ? 1 : 0

  identifier  = var.name
  description = "Automated snapshots."
  definitions = [var.provisioned.snapshot_schedule]
}

resource "aws_redshift_snapshot_schedule_association" "this" {
  count = local.provisioned ? 1 : 0

  cluster_identifier  = aws_redshift_cluster.this[0].id
  schedule_identifier = aws_redshift_snapshot_schedule.this[0].id
}

resource "aws_redshift_usage_limit" "this" {
  for_each = local.provisioned ? {
    concurrency-scaling = { limit_type = "time", amount = var.provisioned.concurrency_scaling_minutes_per_day }
    spectrum            = { limit_type = "data-scanned", amount = var.provisioned.spectrum_tib_per_day }
  } : {}

  cluster_identifier = aws_redshift_cluster.this[0].id
  feature_type       = each.key
  limit_type         = each.value.limit_type
  amount             = each.value.amount
  period             = "daily"
  breach_action      = "log"
}

# ---------------------------------------------------------------------------------- audit logs

# Redshift would make these groups itself, without key and without retention.
resource "aws_cloudwatch_log_group" "audit" {
  for_each = var.mode == "existing" ? [] : toset(["connectionlog", "useractivitylog", "userlog"])

  name              = local.serverless ? "/aws/redshift/${var.name}/${each.value}" : "/aws/redshift/cluster/${var.name}/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}
