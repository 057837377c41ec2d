# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                    = "retail-lakehouse-dev"
  mode                    = "provisioned"
  role_arn                = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x"
  scheduler_role_arn      = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-scheduler"
  subnet_ids              = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id       = "sg-1"
  kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  secrets_kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  failed_starts_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:retail-lakehouse-dev-failed-starts"
  logs_kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "provisioned" {
  assert {
    condition     = tobool(aws_redshift_cluster.this[0].encrypted) && aws_redshift_cluster.this[0].kms_key_id == var.kms_key_arn
    error_message = "control: the cluster is encrypted"
  }

  assert {
    condition     = aws_redshift_cluster.this[0].enhanced_vpc_routing
    error_message = "control: the cluster's traffic stays in the VPC"
  }

  assert {
    condition     = !aws_redshift_cluster.this[0].publicly_accessible
    error_message = "control: the cluster is private"
  }

  assert {
    condition     = aws_redshift_cluster.this[0].manage_master_password == true && aws_redshift_cluster.this[0].master_password == null
    error_message = "control: the cluster keeps its own password"
  }

  assert {
    condition     = anytrue([for parameter in aws_redshift_parameter_group.this[0].parameter : parameter.name == "require_ssl" && parameter.value == "true"])
    error_message = "control: the cluster speaks TLS only"
  }

  assert {
    condition     = anytrue([for parameter in aws_redshift_parameter_group.this[0].parameter : parameter.name == "enable_case_sensitive_identifier" && parameter.value == "true"])
    error_message = "control: identifiers are case sensitive"
  }

  assert {
    condition     = aws_redshift_cluster.this[0].logging[0].log_destination_type == "cloudwatch" && length(aws_redshift_cluster.this[0].logging[0].log_exports) == 3
    error_message = "control: the cluster's audit log"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.audit : group.kms_key_id == var.logs_kms_key_arn])
    error_message = "control: audit logs are encrypted"
  }

  assert {
    condition     = !aws_redshift_cluster.this[0].skip_final_snapshot && aws_redshift_cluster.this[0].automated_snapshot_retention_period == 7
    error_message = "control: snapshots, one at the end too"
  }

  assert {
    condition     = toset(keys(aws_redshift_usage_limit.this)) == toset(["concurrency-scaling", "spectrum"])
    error_message = "control: the cluster's use has limits"
  }
}

run "serverless" {
  variables {
    mode = "serverless"
  }

  assert {
    condition     = strcontains(aws_scheduler_schedule.snapshot[0].target[0].input, "\"retail-lakehouse-dev-<aws.scheduler.execution-id>\"")
    error_message = "control: each snapshot has its own name"
  }

  assert {
    condition     = aws_scheduler_schedule.snapshot[0].target[0].dead_letter_config[0].arn == var.failed_starts_queue_arn
    error_message = "control: a snapshot that is not taken is told"
  }

  assert {
    condition     = aws_redshiftserverless_namespace.this[0].kms_key_id == var.kms_key_arn
    error_message = "control: the namespace is encrypted"
  }

  assert {
    condition     = aws_redshiftserverless_namespace.this[0].manage_admin_password == true && aws_redshiftserverless_namespace.this[0].admin_user_password == null
    error_message = "control: the namespace keeps its own password"
  }

  assert {
    condition     = length(aws_redshiftserverless_namespace.this[0].log_exports) == 3
    error_message = "control: the namespace's audit log"
  }

  assert {
    condition     = aws_redshiftserverless_workgroup.this[0].enhanced_vpc_routing
    error_message = "control: the workgroup's traffic stays in the VPC"
  }

  assert {
    condition     = !aws_redshiftserverless_workgroup.this[0].publicly_accessible
    error_message = "control: the workgroup is private"
  }

  assert {
    condition     = anytrue([for parameter in aws_redshiftserverless_workgroup.this[0].config_parameter : parameter.parameter_key == "require_ssl" && parameter.parameter_value == "true"])
    error_message = "control: the workgroup speaks TLS only"
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.snapshot[0].target[0].input).NamespaceName == aws_redshiftserverless_namespace.this[0].namespace_name && jsondecode(aws_scheduler_schedule.snapshot[0].target[0].input).RetentionPeriod == 7
    error_message = "control: snapshots of the namespace"
  }

  assert {
    condition     = aws_redshiftserverless_usage_limit.compute[0].usage_type == "serverless-compute"
    error_message = "control: the workgroup's use has a limit"
  }
}

run "existing" {
  variables {
    mode     = "existing"
    existing = { host = "theirs.example.org", cluster_identifier = "theirs" }
  }

  assert {
    condition     = length(aws_redshift_cluster.this) == 0 && length(aws_redshiftserverless_namespace.this) == 0 && output.endpoint.host == "theirs.example.org"
    error_message = "an existing warehouse is handed on"
  }
}
