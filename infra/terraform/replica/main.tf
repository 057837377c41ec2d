# Applied once for an environment in another account, by that account's administrator: a copy of what
# is landed that nobody of the environment's own account can change. Its state stays local.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_ids

  default_tags {
    tags = {
      Project     = var.project
      Environment = var.environment
      ManagedBy   = "terraform-replica"
    }
  }
}

data "aws_caller_identity" "this" {}

module "declarations" {
  source = "../modules/declarations"

  connector = "sqlserver"
}

locals {
  name       = "${var.project}-${var.environment}"
  account_id = data.aws_caller_identity.this.account_id
  # The role that S3 replicates with. The environment's root makes it after this: a principal has to be there
  # (KMS Developer Guide, "Key policies"), so policies name the account, and the role in their condition.
  source      = "arn:aws:iam::${var.source_account_id}:root"
  replication = { "aws:PrincipalArn" = "arn:aws:iam::${var.source_account_id}:role/${local.name}-replication" }

  declared_days = values(module.declarations.tables)[*].landing_retention_days
  # As long as `lakehouse landing expire` keeps what it is the copy of: Debezium's own topics follow the
  # longest retention. The ledger is small, and stays.
  retention_days = merge(
    { for name, table in module.declarations.tables : name => table.landing_retention_days },
    { for folder in keys(module.declarations.connector_topics) : folder => max(local.declared_days...) },
  )
}

resource "aws_kms_key" "this" {
  description             = "Copy of the landing zone of ${local.name}."
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "AccountDecidesByIam"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
          Action    = "kms:*"
          Resource  = "*"
        },
        {
          # Decrypt: S3 looks at a bucket key before it uses it (Amazon S3 User Guide, "Replicating encrypted objects"). GenerateDataKey is
          # named among what a failed copy lacks ("Receiving replication failure events", DstPutObjectNotPermitted).
          Sid       = "Replicas"
          Effect    = "Allow"
          Principal = { AWS = local.source }
          Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
          Resource  = "*"
          Condition = {
            StringEquals = { "kms:EncryptionContext:aws:s3:arn" = aws_s3_bucket.this.arn }
            ArnEquals    = local.replication
          }
        },
      ],
      [for readers in [var.readers] : {
        Sid       = "Readers"
        Effect    = "Allow"
        Principal = { AWS = readers }
        Action    = "kms:Decrypt"
        Resource  = "*"
        Condition = { StringEquals = { "kms:EncryptionContext:aws:s3:arn" = aws_s3_bucket.this.arn } }
      } if length(readers) > 0],
    )
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}-replica"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "this" {
  bucket              = "${local.name}-replica-${local.account_id}"
  object_lock_enabled = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

# GOVERNANCE, so that this account's administrator can take out what should never have been landed
# (docs/runbooks/operations.md, "Personal data got through"): s3:BypassGovernanceRetention.
resource "aws_s3_bucket_object_lock_configuration" "this" {
  bucket = aws_s3_bucket_versioning.this.bucket

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.lock_days
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  count = var.access_log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.access_log_bucket
  target_prefix = "replica/${local.name}/"
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          # No ReplicateDelete: what is deleted there stays here.
          Sid       = "Replicas"
          Effect    = "Allow"
          Principal = { AWS = local.source }
          Action    = "s3:ReplicateObject"
          Resource  = "${aws_s3_bucket.this.arn}/landing/*"
          Condition = { ArnEquals = local.replication }
        },
        {
          Sid       = "ReplicasBucket"
          Effect    = "Allow"
          Principal = { AWS = local.source }
          Action    = ["s3:GetBucketVersioning", "s3:ListBucket"]
          Resource  = aws_s3_bucket.this.arn
          Condition = { ArnEquals = local.replication }
        },
      ],
      [for readers in [var.readers] : {
        Sid       = "Readers"
        Effect    = "Allow"
        Principal = { AWS = readers }
        # The tags: `aws s3 sync` asks for those of files that it copies in parts (aws/aws-cli#5375).
        Action = [
          "s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions",
        ]
        Resource = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/landing/*"]
      } if length(readers) > 0],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

# The lock keeps for a while what nobody may remove at all; this removes what retention promises, each
# file that long after it was landed. What is expired becomes a version first.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  dynamic "rule" {
    for_each = local.retention_days

    content {
      id     = "expire-${rule.key}"
      status = "Enabled"

      filter {
        prefix = "landing/${rule.key}/"
      }

      expiration {
        days = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
