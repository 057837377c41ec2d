# Values that a module must not accept, each with the check that refuses it.

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
