# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

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

run "two_zones" {
  command = plan

  variables {
    zones = ["a", "b"]
  }

  expect_failures = [var.zones]
}

run "a_zone_that_the_account_lacks" {
  command = plan

  override_data {
    target = data.aws_availability_zones.this
    values = { names = ["eu-central-1a", "eu-central-1b"] }
  }

  expect_failures = [data.aws_availability_zones.this]
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

run "new_vpc" {
  assert {
    condition     = length(output.nat_public_ips) == 1
    error_message = "the outputs name the address that Azure must admit"
  }
}

run "nat_per_zone" {
  variables {
    azure_sql = { egress = "nat", cidr_blocks = ["203.0.113.0/24"], nat_per_zone = true }
  }

  assert {
    condition     = length(output.nat_public_ips) == 3
    error_message = "a gateway per zone"
  }
}

run "transit_gateway" {
  variables {
    azure_sql = { egress = "transit_gateway", cidr_blocks = ["203.0.113.0/24"], transit_gateway_id = "tgw-1" }
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_internet_gateway.this) == 0 && alltrue([for route in aws_route.azure_sql : route.transit_gateway_id == "tgw-1"])
    error_message = "no NAT, and the route through the transit gateway"
  }
}

run "existing_vpc" {
  variables {
    azure_sql = { egress = "none" }
    existing  = { vpc_id = "vpc-9", private_subnet_ids = ["subnet-7", "subnet-8", "subnet-9"], security_group_ids = { endpoints = "sg-7", msk = "sg-8" } }
  }

  assert {
    condition     = length(aws_vpc.this) == 0 && length(aws_subnet.private) == 0 && length(aws_vpc_endpoint.interface) == 0
    error_message = "nothing is made in an existing VPC but security groups"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.flow["tasks-to-endpoints"].referenced_security_group_id == "sg-7" && aws_vpc_security_group_ingress_rule.flow["glue-to-msk"].security_group_id == "sg-8" && length(aws_vpc_security_group_egress_rule.s3) == 4
    error_message = "clients reach what is there already, and S3"
  }

  assert {
    condition     = output.vpc_id == "vpc-9" && output.private_subnet_ids == tolist(["subnet-7", "subnet-8", "subnet-9"])
    error_message = "the existing VPC is handed on"
  }
}
