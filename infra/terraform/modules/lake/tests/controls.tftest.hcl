# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "retail-lakehouse-dev"
  account_id  = "123456789012"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  tables      = ["customers", "debezium_heartbeat"]
}

run "buckets" {
  assert {
    condition     = alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "control: public access is blocked"
  }

  assert {
    condition     = length(aws_s3_bucket_public_access_block.this) == 5
    error_message = "public access is blocked on every bucket"
  }

  assert {
    condition     = alltrue([for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"])
    error_message = "control: objects are versioned"
  }

  assert {
    condition = alltrue([
      for zone, encryption in aws_s3_bucket_server_side_encryption_configuration.this :
      one(one(encryption.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" &&
      one(one(encryption.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
      if zone != "logs"
    ])
    error_message = "control: data is encrypted with our key"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this["logs"].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "S3 delivers access logs to a bucket with its own keys only"
  }

  assert {
    condition     = alltrue([for controls in aws_s3_bucket_ownership_controls.this : controls.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "control: no object has an access list of its own"
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this :
      anytrue([for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny" && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"])
    ])
    error_message = "control: TLS only"
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this :
      anytrue([for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny" && try(tonumber(statement.Condition.NumericLessThan["s3:TlsVersion"]), 0) == 1.2])
    ])
    error_message = "control: TLS 1.2 or newer"
  }

  assert {
    condition = alltrue([
      for zone, policy in aws_s3_bucket_policy.this :
      zone == "logs" || anytrue([for statement in jsondecode(policy.policy).Statement : statement.Sid == "NoOtherKey" && statement.Effect == "Deny"])
    ])
    error_message = "control: no other key"
  }

  assert {
    condition     = length(aws_s3_bucket_logging.this) == 5 && alltrue([for zone, logging in aws_s3_bucket_logging.this : logging.target_prefix == "s3/${zone}/"])
    error_message = "control: access is logged"
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy])
    error_message = "control: buckets with objects survive a destroy"
  }

  assert {
    condition = length([
      for rule in aws_s3_bucket_lifecycle_configuration.this["landing"].rule : rule if length(rule.expiration) > 0
    ]) == 0
    error_message = "control: nothing of the landing zone expires here"
  }

  assert {
    condition = toset([
      for rule in aws_s3_bucket_lifecycle_configuration.this["landing"].rule : rule.filter[0].prefix
      if try(rule.noncurrent_version_expiration[0].noncurrent_days, 0) == 1
    ]) == toset(["landing/_staging/", "landing/_writers/", "checkpoints/"])
    error_message = "control: versions of what passes are kept for a day"
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.this : lifecycle.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7])
    error_message = "control: abandoned uploads go"
  }
}
