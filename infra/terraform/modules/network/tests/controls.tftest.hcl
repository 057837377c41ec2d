# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

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
    condition     = length(aws_subnet.private) == 3 && alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "control: three private subnets"
  }

  assert {
    condition     = alltrue([for route in aws_route.azure_sql : route.destination_cidr_block == "203.0.113.0/24"]) && alltrue([for route in aws_route.internet : route.destination_cidr_block == "203.0.113.0/24"])
    error_message = "control: no default route, only Azure SQL"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.azure_sql : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"]) == toset(["203.0.113.0/24 1433-1433", "203.0.113.0/24 11000-11999"])
    error_message = "control: egress to Azure SQL on 1433 and the redirect ports only"
  }

  assert {
    condition     = alltrue([for key, rule in aws_vpc_security_group_ingress_rule.flow : rule.cidr_ipv4 == null && rule.referenced_security_group_id != null])
    error_message = "control: connections come from named groups"
  }

  assert {
    condition     = alltrue([for key, rule in aws_vpc_security_group_ingress_rule.flow : endswith(key, "-to-msk") ? rule.from_port == 9098 && rule.to_port == 9098 : true])
    error_message = "control: brokers on the IAM port only"
  }

  assert {
    condition     = alltrue([for key, rule in aws_vpc_security_group_ingress_rule.flow : endswith(key, "-to-redshift") ? rule.from_port == 5439 && rule.to_port == 5439 : true])
    error_message = "control: warehouse on its port only"
  }

  assert {
    condition     = aws_flow_log.this[0].traffic_type == "ALL"
    error_message = "control: all traffic is logged"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow[0].kms_key_id == var.logs_kms_key_arn
    error_message = "control: flow logs are encrypted"
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : jsondecode(endpoint.policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"])
    error_message = "control: endpoints serve this account only"
  }

  assert {
    condition     = length(setsubtract(["glue", "secretsmanager", "sts", "redshift", "redshift-data", "logs", "ecr.api", "ecr.dkr", "ecs", "kafka"], keys(aws_vpc_endpoint.interface))) == 0
    error_message = "control: AWS is reached through endpoints"
  }

  assert {
    condition     = aws_iam_role.flow[0].permissions_boundary == var.permissions_boundary_arn
    error_message = "control: the role has its boundary"
  }

  assert {
    condition     = length(aws_default_security_group.this) == 1
    error_message = "control: the default group has no rules"
  }

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
    existing  = { vpc_id = "vpc-9", private_subnet_ids = ["subnet-7", "subnet-8", "subnet-9"] }
  }

  assert {
    condition     = length(aws_vpc.this) == 0 && length(aws_subnet.private) == 0 && length(aws_vpc_endpoint.interface) == 0
    error_message = "nothing is made in an existing VPC but security groups"
  }

  assert {
    condition     = output.vpc_id == "vpc-9" && output.private_subnet_ids == tolist(["subnet-7", "subnet-8", "subnet-9"])
    error_message = "the existing VPC is handed on"
  }
}
