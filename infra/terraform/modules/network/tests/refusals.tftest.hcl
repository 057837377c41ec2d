# Values that a module must not accept, each with the check that refuses it.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                     = "retail-lakehouse-dev"
  account_id               = "123456789012"
  region                   = "eu-central-1"
  logs_kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/retail-lakehouse-dev-boundary"
  azure_sql                = { egress = "nat", cidr_blocks = ["203.0.113.0/24"] }
}

run "a_small_vpc" {
  command = plan

  variables {
    cidr_block = "10.0.0.0/24"
  }

  expect_failures = [var.cidr_block]
}

run "the_whole_internet" {
  command = plan

  variables {
    azure_sql = { egress = "nat", cidr_blocks = ["0.0.0.0/0"] }
  }

  expect_failures = [var.azure_sql]
}

run "nat_without_addresses" {
  command = plan

  variables {
    azure_sql = { egress = "nat" }
  }

  expect_failures = [var.azure_sql]
}

run "an_unknown_way" {
  command = plan

  variables {
    azure_sql = { egress = "vpc_peering", cidr_blocks = ["203.0.113.0/24"] }
  }

  expect_failures = [var.azure_sql]
}

run "a_transit_gateway_without_its_id" {
  command = plan

  variables {
    azure_sql = { egress = "transit_gateway", cidr_blocks = ["203.0.113.0/24"] }
  }

  expect_failures = [var.azure_sql]
}

run "a_vpn_without_its_gateway" {
  command = plan

  variables {
    azure_sql = { egress = "vpn", cidr_blocks = ["203.0.113.0/24"] }
  }

  expect_failures = [var.azure_sql]
}

run "an_existing_vpc_with_two_subnets" {
  command = plan

  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = { endpoints = "sg-1" } }
  }

  expect_failures = [var.existing]
}

run "an_existing_vpc_without_the_group_of_its_endpoints" {
  command = plan

  variables {
    existing = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"], security_group_ids = {} }
  }

  expect_failures = [var.existing]
}

run "no_endpoint_for_secrets" {
  command = plan

  variables {
    interface_endpoints = ["ecr.api", "ecr.dkr", "glue", "logs", "sts"]
  }

  expect_failures = [var.interface_endpoints]
}

run "flow_logs_for_a_week" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "a_prometheus_address" {
  command = plan

  variables {
    prometheus_security_group_ids = ["10.0.0.1"]
  }

  expect_failures = [var.prometheus_security_group_ids]
}

run "no_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "none"
  }

  expect_failures = [var.permissions_boundary_arn]
}
