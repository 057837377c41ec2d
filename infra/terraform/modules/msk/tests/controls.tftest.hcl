# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

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

run "cluster" {
  assert {
    condition     = aws_msk_cluster.this[0].encryption_info[0].encryption_in_transit[0].client_broker == "TLS"
    error_message = "control: clients speak TLS"
  }

  assert {
    condition     = aws_msk_cluster.this[0].encryption_info[0].encryption_in_transit[0].in_cluster
    error_message = "control: brokers speak TLS"
  }

  assert {
    condition     = aws_msk_cluster.this[0].encryption_info[0].encryption_at_rest_kms_key_arn == var.kms_key_arn
    error_message = "control: volumes are encrypted with our key"
  }

  assert {
    condition     = aws_msk_cluster.this[0].client_authentication[0].sasl[0].iam
    error_message = "control: clients prove who they are with IAM"
  }

  assert {
    condition     = !aws_msk_cluster.this[0].client_authentication[0].unauthenticated && !aws_msk_cluster.this[0].client_authentication[0].sasl[0].scram
    error_message = "control: nobody enters in another way"
  }

  assert {
    condition     = aws_msk_cluster.this[0].broker_node_group_info[0].connectivity_info[0].public_access[0].type == "DISABLED"
    error_message = "control: brokers are private"
  }

  assert {
    condition     = strcontains(aws_msk_configuration.this[0].server_properties, "auto.create.topics.enable=false")
    error_message = "control: topics are made on purpose only"
  }

  assert {
    condition     = strcontains(aws_msk_configuration.this[0].server_properties, "unclean.leader.election.enable=false") && strcontains(aws_msk_configuration.this[0].server_properties, "min.insync.replicas=2")
    error_message = "control: no acknowledged record is lost with a broker"
  }

  assert {
    condition     = aws_msk_cluster.this[0].logging_info[0].broker_logs[0].cloudwatch_logs[0].enabled && aws_cloudwatch_log_group.broker[0].kms_key_id == var.logs_kms_key_arn
    error_message = "control: brokers log, encrypted"
  }

  assert {
    condition     = aws_msk_cluster.this[0].open_monitoring[0].prometheus[0].jmx_exporter[0].enabled_in_broker && aws_msk_cluster.this[0].open_monitoring[0].prometheus[0].node_exporter[0].enabled_in_broker
    error_message = "control: open monitoring"
  }

  assert {
    condition     = aws_appautoscaling_policy.storage[0].target_tracking_scaling_policy_configuration[0].target_value == 60 && aws_appautoscaling_target.storage[0].max_capacity == 1000
    error_message = "control: storage grows by itself"
  }

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
