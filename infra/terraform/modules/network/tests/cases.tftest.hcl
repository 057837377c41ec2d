# What no environment's plan shows: other sizes, what is there already, what is off.

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
