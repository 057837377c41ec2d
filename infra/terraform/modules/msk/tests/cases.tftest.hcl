# What no environment's plan shows: other sizes, what is there already, what is off.

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
