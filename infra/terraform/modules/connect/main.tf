# What a connector needs: the plugin, the worker's configuration, its log group.
# The connector itself is made here when its settings are given. Otherwise `lakehouse connector deploy`
# makes it from the outputs: its settings follow from the declarations of a release (docs/security.md).
locals {
  # The bucket comes with the first apply, the ZIP file after it (docs/runbooks/deployment.md).
  plugin_count = var.plugin_uploaded || var.plugin_file != null ? 1 : 0

  plugin_version = "${var.debezium_version}-transforms-${var.transforms_version}"
  version_label  = replace(local.plugin_version, ".", "-")
  plugin_key     = coalesce(var.plugin_key, "connect/debezium-connector-sqlserver-${local.plugin_version}.zip")

  worker_properties = {
    "key.converter"                                          = "org.apache.kafka.connect.json.JsonConverter"
    "key.converter.schemas.enable"                           = "false"
    "value.converter"                                        = "org.apache.kafka.connect.json.JsonConverter"
    "value.converter.schemas.enable"                         = "false"
    "config.providers"                                       = "secretsmanager"
    "config.providers.secretsmanager.class"                  = "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider"
    "config.providers.secretsmanager.param.region"           = var.region
    "config.providers.secretsmanager.param.NotFoundStrategy" = "fail"
    # A connector that is made again goes on where the last one stopped.
    "offset.storage.topic" = "__amazon_msk_connect_offsets_${var.name}"
  }
  properties = join("\n", [for key in sort(keys(local.worker_properties)) : "${key}=${local.worker_properties[key]}"])
}

resource "aws_s3_object" "plugin" {
  count = var.plugin_file == null ? 0 : 1

  bucket      = var.artifacts_bucket
  key         = local.plugin_key
  source      = var.plugin_file
  source_hash = filemd5(var.plugin_file)
}

resource "aws_mskconnect_custom_plugin" "this" {
  count = local.plugin_count

  name         = "${var.name}-debezium-sqlserver-${local.version_label}"
  description  = "Debezium SQL Server ${var.debezium_version} with our transforms ${var.transforms_version}, the Secrets Manager configuration provider and aws-msk-iam-auth."
  content_type = "ZIP"

  location {
    s3 {
      bucket_arn     = "arn:aws:s3:::${var.artifacts_bucket}"
      file_key       = local.plugin_key
      object_version = one(aws_s3_object.plugin[*].version_id)
    }
  }

  lifecycle {
    # The connector runs on the old one until it is made again from this one.
    create_before_destroy = true
  }
}

resource "aws_mskconnect_worker_configuration" "this" {
  # Its content cannot change under one name.
  name                    = "${var.name}-${substr(sha256(local.properties), 0, 8)}"
  description             = "JSON without schemas; secrets by reference."
  properties_file_content = local.properties

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/connect"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

resource "aws_mskconnect_connector" "this" {
  count = var.connector_configuration == null ? 0 : 1

  name                       = "${var.name}-sqlserver"
  description                = "Change events of the shop's Azure SQL Database."
  kafkaconnect_version       = var.kafkaconnect_version
  connector_configuration    = var.connector_configuration
  service_execution_role_arn = var.role_arn

  capacity {
    # One task reads the log of one database; more workers would stand idle.
    provisioned_capacity {
      mcu_count    = var.mcu_count
      worker_count = 1
    }
  }

  kafka_cluster {
    apache_kafka_cluster {
      bootstrap_servers = var.bootstrap_brokers

      vpc {
        security_groups = [var.security_group_id]
        subnets         = var.subnet_ids
      }
    }
  }

  kafka_cluster_client_authentication {
    authentication_type = "IAM"
  }

  kafka_cluster_encryption_in_transit {
    encryption_type = "TLS"
  }

  plugin {
    custom_plugin {
      arn      = aws_mskconnect_custom_plugin.this[0].arn
      revision = aws_mskconnect_custom_plugin.this[0].latest_revision
    }
  }

  worker_configuration {
    arn      = aws_mskconnect_worker_configuration.this.arn
    revision = aws_mskconnect_worker_configuration.this.latest_revision
  }

  log_delivery {
    worker_log_delivery {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this.name
      }
    }
  }
}
