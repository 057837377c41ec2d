# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name              = "retail-lakehouse-dev"
  region            = "eu-central-1"
  artifacts_bucket  = "retail-lakehouse-dev-artifacts-123456789012"
  role_arn          = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x"
  bootstrap_brokers = "b-1.mock:9098"
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-1"
  plugin_uploaded   = true
  logs_kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  connector_configuration = {
    "connector.class"   = "io.debezium.connector.sqlserver.SqlServerConnector"
    "database.password" = "$${secretsmanager:retail-lakehouse-dev/shop-database:password}"
  }
}

run "a_salt_in_a_settings_name" {
  command = plan

  variables {
    connector_configuration = { "column.mask.hash.v2.SHA-256.with.salt.abc" = "dbo.Customers.Phone" }
  }

  expect_failures = [var.connector_configuration]
}

run "a_salt_in_the_state" {
  command = plan

  variables {
    connector_configuration = { "transforms.pseudonyms.salt.secret" = "abc" }
  }

  expect_failures = [var.connector_configuration]
}

run "a_password_in_the_state" {
  command = plan

  variables {
    connector_configuration = { "database.password" = "secret" }
  }

  expect_failures = [var.connector_configuration]
}

run "an_alpha_version" {
  command = plan

  variables {
    debezium_version = "3.7.0.Alpha1"
  }

  expect_failures = [var.debezium_version]
}

run "half_a_version" {
  command = plan

  variables {
    transforms_version = 1.5
  }

  expect_failures = [var.transforms_version]
}

run "an_old_kafka_connect" {
  command = plan

  variables {
    kafkaconnect_version = "2.7.1"
  }

  expect_failures = [var.kafkaconnect_version]
}

run "three_units" {
  command = plan

  variables {
    mcu_count = 3
  }

  expect_failures = [var.mcu_count]
}

run "a_plugin_elsewhere" {
  command = plan

  variables {
    plugin_key = "plugin.zip"
  }

  expect_failures = [var.plugin_key]
}

run "a_role_that_is_none" {
  command = plan

  variables {
    role_arn = "connector"
  }

  expect_failures = [var.role_arn]
}

run "a_connector_without_its_plugin" {
  command = plan

  variables {
    plugin_uploaded = false
  }

  expect_failures = [var.connector_configuration]
}

run "connector" {
  assert {
    condition     = aws_mskconnect_connector.this[0].kafka_cluster_client_authentication[0].authentication_type == "IAM"
    error_message = "the connector proves who it is with IAM"
  }

  assert {
    condition     = aws_mskconnect_connector.this[0].kafka_cluster_encryption_in_transit[0].encryption_type == "TLS"
    error_message = "the connector speaks TLS"
  }

  assert {
    condition     = aws_mskconnect_connector.this[0].log_delivery[0].worker_log_delivery[0].cloudwatch_logs[0].enabled && aws_cloudwatch_log_group.this.kms_key_id == var.logs_kms_key_arn
    error_message = "workers log, encrypted"
  }

  assert {
    condition     = aws_mskconnect_connector.this[0].capacity[0].provisioned_capacity[0].worker_count == 1
    error_message = "one worker"
  }
}

run "made_by_an_operation" {
  variables {
    connector_configuration = null
  }

  assert {
    condition     = length(aws_mskconnect_connector.this) == 0 && output.connector.name == "retail-lakehouse-dev-sqlserver" && output.connector.role_arn == var.role_arn
    error_message = "the outputs hold what the operation needs"
  }
}

run "before_the_plugin_is_uploaded" {
  variables {
    connector_configuration = null
    plugin_uploaded         = false
  }

  assert {
    condition     = length(aws_mskconnect_custom_plugin.this) == 0 && output.connector.plugin_arn == null
    error_message = "no plugin is made from a file that is not there"
  }
}
