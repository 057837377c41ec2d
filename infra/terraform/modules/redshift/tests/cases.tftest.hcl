# What no environment's plan shows: other sizes, what is there already, what is off.

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
