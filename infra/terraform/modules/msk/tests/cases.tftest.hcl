# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name              = "retail-lakehouse-dev"
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-1"
  kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  logs_kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "an_express_version" {
  command = plan

  variables {
    kafka_version = "4.2.x.kraft"
  }

  expect_failures = [var.kafka_version]
}

run "a_zookeeper_version" {
  command = plan

  variables {
    kafka_version = "3.9.x"
  }

  expect_failures = [var.kafka_version]
}

run "a_burstable_broker" {
  command = plan

  variables {
    instance_type = "kafka.t3.small"
  }

  expect_failures = [var.instance_type]
}

run "two_subnets" {
  command = plan

  variables {
    subnet_ids = ["subnet-1", "subnet-2"]
  }

  expect_failures = [var.subnet_ids]
}

run "a_shrinking_volume" {
  command = plan

  variables {
    max_volume_size_gib = 50
  }

  expect_failures = [var.max_volume_size_gib]
}

run "a_tiny_volume" {
  command = plan

  variables {
    volume_size_gib = 1
  }

  expect_failures = [var.volume_size_gib]
}

run "a_full_disk" {
  command = plan

  variables {
    storage_target_percent = 95
  }

  expect_failures = [var.storage_target_percent]
}

run "a_day_of_retention" {
  command = plan

  variables {
    default_retention_hours = 24
  }

  expect_failures = [var.default_retention_hours]
}

run "an_existing_cluster_without_iam" {
  command = plan

  variables {
    existing = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/a/b", name = "a", bootstrap_brokers = "b-1:9094" }
  }

  expect_failures = [var.existing]
}

run "an_address_as_security_group" {
  command = plan

  variables {
    security_group_id = "10.0.0.1"
  }

  expect_failures = [var.security_group_id]
}

run "cluster" {
  assert {
    condition     = aws_msk_cluster.this[0].number_of_broker_nodes == 3 && output.bootstrap_brokers == "b-1.mock:9098,b-2.mock:9098,b-3.mock:9098"
    error_message = "three brokers, named in a fixed order"
  }
}

run "existing" {
  variables {
    existing = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/theirs/1", name = "theirs", bootstrap_brokers = "b-2:9098,b-1:9098" }
  }

  assert {
    condition     = length(aws_msk_cluster.this) == 0 && output.cluster_name == "theirs" && output.bootstrap_brokers == "b-1:9098,b-2:9098"
    error_message = "an existing cluster is handed on"
  }
}
