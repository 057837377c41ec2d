# The buckets, one per zone of the lake, and how long each keeps what.
locals {
  # What a zone holds decides how long older versions stay and when its objects become cheaper.
  zones = {
    landing   = { noncurrent_days = 30, infrequent_after_days = 90 }
    staging   = { noncurrent_days = 7, infrequent_after_days = null }
    curated   = { noncurrent_days = 30, infrequent_after_days = null }
    artifacts = { noncurrent_days = 180, infrequent_after_days = null }
    logs      = { noncurrent_days = 30, infrequent_after_days = null }
  }
  buckets = { for zone in keys(local.zones) : zone => "${var.name}-${zone}-${var.account_id}" }

  # Records become cheaper with age, the ledger and the writers' registrations do not: they are
  # small and read by every run. Nothing of the landing zone expires here: its retention is declared
  # by table and kept by `lakehouse`, which knows the ledger; a lifecycle rule would also remove each
  # table's zero-row schema file.
  infrequent_prefixes = { for table in var.tables : table => "${var.landing_prefix}/${table}/" }

  # What is overwritten or moved all day long, and nobody restores: each staged file is copied to its
  # name and removed, a heartbeat comes every ten seconds. Their versions would double the storage.
  passing_prefixes = toset(["${var.landing_prefix}/_staging/", "${var.landing_prefix}/_writers/", "checkpoints/"])
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    bucket_key_enabled = each.key != "logs"

    apply_server_side_encryption_by_default {
      # S3 delivers server access logs only to a bucket with S3's own keys (Amazon S3 User Guide,
      # "Enabling server access logging").
      sse_algorithm     = each.key == "logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "logs" ? null : var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  # The logs bucket logs into itself: who reads or removes logs is recorded too. Each delivery then
  # adds a line of its own; they expire with the rest.
  for_each = aws_s3_bucket.this

  bucket        = each.value.id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${each.key}/"

  # S3 refuses a target whose policy does not admit the delivery.
  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [each.value.arn, "${each.value.arn}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "OnlyTls12"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [each.value.arn, "${each.value.arn}/*"]
          Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
        },
      ],
      [for statement in [{
        Sid       = "AccessLogsOfThisEnvironment"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${each.value.arn}/s3/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = var.account_id }
          ArnLike      = { "aws:SourceArn" = [for bucket in aws_s3_bucket.this : bucket.arn] }
        }
      }] : statement if each.key == "logs"],
      [for statement in [{
        # A request may name no key at all: then the bucket's default key is used.
        Sid       = "NoOtherKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${each.value.arn}/*"
        Condition = {
          StringNotEqualsIfExists = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
          Null                    = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        }
      }] : statement if each.key != "logs"],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    id     = "noncurrent-versions"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = local.zones[each.key].noncurrent_days
    }
  }

  dynamic "rule" {
    for_each = local.zones[each.key].infrequent_after_days == null ? {} : local.infrequent_prefixes

    content {
      id     = "infrequent-${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      transition {
        days          = local.zones[each.key].infrequent_after_days
        storage_class = "STANDARD_IA"
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "landing" ? local.passing_prefixes : []

    content {
      id     = "passing-${rule.value}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "logs" ? ["logs"] : []

    content {
      id     = "expire-logs"
      status = "Enabled"

      filter {
        prefix = ""
      }

      expiration {
        days = var.log_retention_days
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

# What is landed and the ledger, copied into a bucket of another account. A rule each: what is staged or
# registered passes, and a copy of it would be locked. What is deleted here stays there.
resource "aws_s3_bucket_replication_configuration" "landing" {
  count = var.replica == null ? 0 : 1

  bucket = aws_s3_bucket.this["landing"].id
  role   = var.replica.role_arn

  dynamic "rule" {
    for_each = sort(concat(tolist(var.tables), ["_ledger"]))

    content {
      id       = rule.value
      priority = rule.key
      status   = "Enabled"

      filter {
        prefix = "${var.landing_prefix}/${rule.value}/"
      }

      delete_marker_replication {
        status = "Disabled"
      }

      source_selection_criteria {
        sse_kms_encrypted_objects {
          status = "Enabled"
        }
      }

      destination {
        bucket = "arn:aws:s3:::${var.replica.bucket}"

        encryption_configuration {
          replica_kms_key_id = var.replica.key_arn
        }

        # Without it S3 tells of no failure.
        metrics {
          status = "Enabled"
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
