# The jobs that land, the catalog's databases, and how both are encrypted.
locals {
  database = { for layer in ["landing", "staging", "curated"] : layer => "${replace(var.name, "-", "_")}_${layer}" }
  release  = "s3://${var.bucket_names["artifacts"]}/glue/${var.release}"

  # One archive of wheels a release (AWS Glue Developer Guide, "Using Python libraries with AWS Glue", appendix A).
  dependencies = {
    "--additional-python-modules"       = "${local.release}/${var.dependencies}"
    "--python-modules-installer-option" = "--no-index"
  }

  # Where Glue 5.0 and later writes the logs of jobs with a security configuration (AWS Glue Developer Guide, "Logging for
  # AWS Glue jobs").
  log_groups = {
    for pair in setproduct(length(var.batch_jobs) > 0 ? ["landing", "batch"] : ["landing"], ["error", "output"]) :
    "${pair[0]} ${pair[1]}" => "/aws-glue/jobs/${var.name}-role/${var.name}-${pair[0]}/${pair[1]}"
  }

  # A group without tables of its own takes all that no other group names: a newly declared table is
  # landed without a change here.
  named = flatten([for group in var.streaming_groups : group.tables])
  groups = {
    for name, group in var.streaming_groups : name => merge(group, {
      tables = sort(length(group.tables) > 0 ? group.tables : [for table in keys(var.tables) : table if !contains(local.named, table)])
    })
  }
}

# The landing tables are the warehouse deployment's (lakehouse/warehouse/landing_tables.py).
resource "aws_glue_catalog_database" "this" {
  for_each = local.database

  name        = each.value
  description = "Zone ${each.key} of ${var.name}."
}

# Tables that an earlier release made here are not dropped: the deployment replaces them.
removed {
  from = aws_glue_catalog_table.landing

  lifecycle {
    destroy = false
  }
}

data "aws_glue_data_catalog_encryption_settings" "this" {
  catalog_id = var.account_id
}

locals {
  # A key encrypts what is written from then on, and is needed to read it: it has to be one that our roles may use.
  catalog_keys = [
    for setting in try(data.aws_glue_data_catalog_encryption_settings.this.data_catalog_encryption_settings[0].encryption_at_rest, []) :
    setting.sse_aws_kms_key_id if try(length(setting.sse_aws_kms_key_id), 0) > 0 && setting.catalog_encryption_mode != "DISABLED"
  ]
}

resource "aws_glue_security_configuration" "this" {
  name = var.name

  lifecycle {
    precondition {
      condition     = length(setsubtract(local.catalog_keys, [var.kms_key_arn])) == 0
      error_message = "The Glue catalog, of which an account has one a region, is encrypted with ${join("", local.catalog_keys)}, which the roles of ${var.name} may not use. Take another account or region; or, where that key is another environment's of ours, set encrypt_catalog = false in both and apply the other one first."
    }
  }

  encryption_configuration {
    cloudwatch_encryption {
      cloudwatch_encryption_mode = "SSE-KMS"
      kms_key_arn                = var.logs_kms_key_arn
    }

    job_bookmarks_encryption {
      job_bookmarks_encryption_mode = "CSE-KMS"
      kms_key_arn                   = var.kms_key_arn
    }

    s3_encryption {
      s3_encryption_mode = "SSE-KMS"
      kms_key_arn        = var.kms_key_arn
    }
  }
}

# Glue would make these groups itself, without retention.
resource "aws_cloudwatch_log_group" "jobs" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

# There is one such setting per account and region. Behind the refusal of another's.
resource "aws_glue_data_catalog_encryption_settings" "this" {
  count = var.encrypt_catalog ? 1 : 0

  data_catalog_encryption_settings {
    connection_password_encryption {
      return_connection_password_encrypted = true
      aws_kms_key_id                       = var.kms_key_arn
    }

    encryption_at_rest {
      catalog_encryption_mode = "SSE-KMS"
      sse_aws_kms_key_id      = var.kms_key_arn
    }
  }

  depends_on = [aws_glue_security_configuration.this]
}

# A network, not a Kafka connection: the job speaks to Kafka itself, with IAM.
resource "aws_glue_connection" "network" {
  name            = "${var.name}-network"
  description     = "Jobs run in the private subnets."
  connection_type = "NETWORK"

  physical_connection_requirements {
    availability_zone      = var.availability_zone
    subnet_id              = var.subnet_id
    security_group_id_list = [var.security_group_id]
  }
}

resource "aws_glue_job" "landing" {
  for_each = local.groups

  name                   = "${var.name}-landing-${each.key}"
  description            = "Lands the change events of ${length(var.streaming_groups[each.key].tables) > 0 ? join(", ", each.value.tables) : "all other tables"}, continuously."
  role_arn               = var.role_arns["landing"]
  glue_version           = "6.0"
  worker_type            = each.value.worker_type
  number_of_workers      = each.value.workers
  max_retries            = each.value.max_retries
  maintenance_window     = each.value.maintenance_window
  security_configuration = aws_glue_security_configuration.this.name
  connections            = [aws_glue_connection.network.name]

  command {
    name            = "gluestreaming"
    script_location = "${local.release}/${var.entry_script}"
    python_version  = "3"
  }

  # Two writers of one landing zone would fence each other.
  execution_property {
    max_concurrent_runs = 1
  }

  default_arguments = merge(
    {
      "--job-language"   = "python"
      "--extra-py-files" = "${local.release}/${var.wheel}"
      "--extra-jars"     = "s3://${var.bucket_names["artifacts"]}/${var.msk_iam_jar_key}"
      "--enable-metrics" = "true"
      "--release"        = var.release
      "--extra-files"    = "${local.release}/${var.declarations_file}"
      "--declarations"   = var.declarations_file
    },
    local.dependencies,
    # What the rest is, the release says that runs: one that declares a table more or less needs no apply.
    length(var.streaming_groups[each.key].tables) > 0 ? { "--tables" = join(",", each.value.tables) } : length(local.named) > 0 ? { "--all_but" = join(",", sort(local.named)) } : {},
    { for key, value in var.job_arguments : "--${key}" => value },
  )

  lifecycle {
    # Releases are the deployment's (docs/runbooks/deployment.md): an apply neither makes nor undoes one.
    ignore_changes = [
      command[0].script_location,
      default_arguments["--extra-py-files"],
      default_arguments["--extra-files"],
      default_arguments["--additional-python-modules"],
      default_arguments["--release"],
    ]

    precondition {
      condition     = length(setsubtract(each.value.tables, keys(var.tables))) == 0
      error_message = "Group ${each.key} names tables that are not declared: ${join(", ", setsubtract(each.value.tables, keys(var.tables)))}."
    }

    precondition {
      condition     = length(distinct(local.named)) == length(local.named)
      error_message = "A table is in two streaming groups; one job lands a table."
    }

    precondition {
      condition     = length(setsubtract(keys(var.tables), flatten([for group in local.groups : group.tables]))) == 0
      error_message = "No group lands ${join(", ", setsubtract(keys(var.tables), flatten([for group in local.groups : group.tables])))}. Leave one group's tables empty: it takes the rest."
    }
  }
}

resource "aws_glue_job" "batch" {
  for_each = var.batch_jobs

  name                   = "${var.name}-${each.key}"
  description            = each.value.description
  role_arn               = var.role_arns["batch"]
  glue_version           = "6.0"
  worker_type            = each.value.worker_type
  number_of_workers      = each.value.workers
  max_retries            = 1
  timeout                = each.value.timeout_minutes
  security_configuration = aws_glue_security_configuration.this.name
  connections            = [aws_glue_connection.network.name]

  command {
    name            = "glueetl"
    script_location = "${local.release}/${each.value.script}"
    python_version  = "3"
  }

  execution_property {
    max_concurrent_runs = 1
  }

  default_arguments = merge(local.dependencies, {
    "--job-language"            = "python"
    "--extra-py-files"          = "${local.release}/${var.wheel}"
    "--enable-metrics"          = "true"
    "--enable-glue-datacatalog" = "true"
    "--datalake-formats"        = "iceberg"
    "--release"                 = var.release
  })

  lifecycle {
    ignore_changes = [
      command[0].script_location,
      default_arguments["--extra-py-files"],
      default_arguments["--additional-python-modules"],
      default_arguments["--release"],
    ]
  }
}

resource "aws_glue_catalog_table_optimizer" "this" {
  for_each = {
    for pair in setproduct(var.optimized_tables, ["compaction", "retention", "orphan_file_deletion"]) :
    "${pair[0]} ${pair[1]}" => { table = pair[0], type = pair[1] }
  }

  catalog_id    = var.account_id
  database_name = aws_glue_catalog_database.this["curated"].name
  table_name    = each.value.table
  type          = each.value.type

  configuration {
    role_arn = var.role_arns["optimizer"]
    enabled  = true

    dynamic "retention_configuration" {
      for_each = each.value.type == "retention" ? [each.key] : []

      content {
        iceberg_configuration {
          snapshot_retention_period_in_days = 7
          number_of_snapshots_to_retain     = 3
          clean_expired_files               = true
        }
      }
    }

    dynamic "orphan_file_deletion_configuration" {
      for_each = each.value.type == "orphan_file_deletion" ? [each.key] : []

      content {
        iceberg_configuration {
          orphan_file_retention_period_in_days = 7
        }
      }
    }
  }
}
