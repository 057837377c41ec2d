# The keys: of data, of logs and images, of secrets.
locals {
  account = "arn:aws:iam::${var.account_id}:root"
  logs    = "arn:aws:logs:${var.region}:${var.account_id}"

  # Who besides the account's own IAM policies may use a key: services that act for the account.
  purposes = {
    data = {
      description = "Records at rest: buckets, brokers, warehouse, catalog."
      statements  = []
    }
    secrets = {
      description = "Passwords and salts in Secrets Manager."
      statements  = []
    }
    logs = {
      description = "Log groups, alarm topic, queues, image repository."
      statements = [
        {
          Sid       = "LogGroupsOfThisEnvironment"
          Effect    = "Allow"
          Principal = { Service = "logs.${var.region}.amazonaws.com" }
          Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
          Resource  = "*"
          Condition = {
            ArnLike = {
              "kms:EncryptionContext:aws:logs:arn" = [
                for prefix in ["/${var.name}/*", "/aws-glue/jobs/${var.name}*", "/aws/redshift/${var.name}/*", "/aws/redshift/cluster/${var.name}/*"] :
                "${local.logs}:log-group:${prefix}"
              ]
            }
          }
        },
        {
          Sid       = "AlarmsToTheEncryptedTopic"
          Effect    = "Allow"
          Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "s3.amazonaws.com"] }
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = "*"
          Condition = {
            StringEquals = { "aws:SourceAccount" = var.account_id }
          }
        },
        {
          # EventBridge names no account when it publishes to an encrypted topic (Amazon SNS Developer Guide, "Enable compatibility
          # between event sources from AWS services and encrypted topics").
          Sid       = "EventsToTheEncryptedTopic"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = "*"
        },
      ]
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.purposes

  description             = each.value.description
  enable_key_rotation     = true
  rotation_period_in_days = var.rotation_period_in_days
  deletion_window_in_days = var.deletion_window_in_days
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # In a key's policy "*" is this key. IAM policies of the account decide further.
        Sid       = "AccountDecidesByIam"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Action    = "kms:*"
        Resource  = "*"
      }],
      each.value.statements,
    )
  })

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_kms_alias" "this" {
  for_each = aws_kms_key.this

  name          = "alias/${var.name}-${each.key}"
  target_key_id = each.value.key_id
}
