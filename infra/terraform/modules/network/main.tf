# The VPC, unless there is one already, who reaches whom in it, and the way to Azure SQL.
data "aws_availability_zones" "this" {
  count = local.own ? 1 : 0

  state = "available"

  # By name: a zone that AWS adds moves no subnet.
  filter {
    name   = "zone-name"
    values = [for letter in var.zones : "${var.region}${letter}"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) == 3
      error_message = "Of the zones ${join(", ", var.zones)} of ${var.region} this account has ${join(", ", self.names)} only: name three that it has as network.zones (aws ec2 describe-availability-zones --region ${var.region})."
    }
  }
}

locals {
  own    = var.existing == null
  zones  = local.own ? data.aws_availability_zones.this[0].names : []
  vpc_id = local.own ? aws_vpc.this[0].id : var.existing.vpc_id

  # /16 → private /20 at 0, 16, 32; public /28 (NAT only) at the end of the range.
  private_cidrs = { for index, zone in local.zones : zone => cidrsubnet(var.cidr_block, 4, index) }
  public_cidrs  = { for index, zone in local.zones : zone => cidrsubnet(var.cidr_block, 12, 4093 + index) }

  private_subnet_ids = local.own ? [for zone in local.zones : aws_subnet.private[zone].id] : var.existing.private_subnet_ids

  # One NAT gateway per zone survives the loss of a zone; one for all is cheaper.
  nat       = local.own && var.azure_sql.egress == "nat"
  nat_zones = local.nat ? (var.azure_sql.nat_per_zone ? local.zones : slice(local.zones, 0, 1)) : []

  azure_routes = {
    for pair in setproduct(local.own ? local.zones : [], var.azure_sql.cidr_blocks) :
    "${pair[0]} ${pair[1]}" => { zone = pair[0], cidr_block = pair[1] }
  }
}

resource "aws_vpc" "this" {
  count = local.own ? 1 : 0

  cidr_block           = var.cidr_block
  enable_dns_hostnames = true
  enable_dns_support   = true

  tags = { Name = var.name }
}

# Nobody uses the default security group; without rules nobody can.
resource "aws_default_security_group" "this" {
  count = local.own ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name}-default-unused" }
}

resource "aws_subnet" "private" {
  for_each = local.private_cidrs

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  for_each = local.private_cidrs

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# ---------------------------------------------------------------------- way to Azure SQL Database
# There is no default route: the private subnets reach AWS through endpoints and, of all the world,
# Azure SQL only.

resource "aws_internet_gateway" "this" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = { for zone in local.nat_zones : zone => local.public_cidrs[zone] }

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_route_table" "public" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name}-nat" }
}

resource "aws_route" "internet" {
  for_each = local.nat ? toset(var.azure_sql.cidr_blocks) : []

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = each.value
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = aws_subnet.public

  subnet_id     = each.value.id
  allocation_id = aws_eip.nat[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "azure_sql" {
  for_each = var.azure_sql.egress == "none" ? {} : local.azure_routes

  route_table_id         = aws_route_table.private[each.value.zone].id
  destination_cidr_block = each.value.cidr_block
  nat_gateway_id         = local.nat ? aws_nat_gateway.this[var.azure_sql.nat_per_zone ? each.value.zone : local.zones[0]].id : null
  transit_gateway_id     = var.azure_sql.egress == "transit_gateway" ? var.azure_sql.transit_gateway_id : null
  gateway_id             = var.azure_sql.egress == "vpn" ? var.azure_sql.vpn_gateway_id : null
}

# ------------------------------------------------------------------------------- security groups

locals {
  groups = {
    msk       = "Kafka brokers."
    connect   = "Kafka Connect workers (Debezium)."
    glue      = "Glue jobs."
    redshift  = "Redshift."
    tasks     = "ECS tasks: dbt and operations."
    endpoints = "Interface endpoints of AWS services."
  }

  # Who may open a connection to whom, on which ports. Both ends follow from this one table.
  flows = merge(
    {
      for client in ["connect", "glue", "redshift", "tasks"] : "${client}-to-msk" =>
      { from = client, to = "msk", first_port = 9098, last_port = 9098, why = "Kafka with IAM" }
    },
    {
      for client in ["connect", "glue", "redshift", "tasks"] : "${client}-to-endpoints" =>
      { from = client, to = "endpoints", first_port = 443, last_port = 443, why = "AWS services" }
    },
    {
      tasks-to-redshift = { from = "tasks", to = "redshift", first_port = 5439, last_port = 5439, why = "SQL" }
      # Spark's driver and executors; Glue refuses a connection without it.
      glue-to-glue = { from = "glue", to = "glue", first_port = 0, last_port = 65535, why = "Spark driver and executors" }
    },
  )

  to_s3 = ["connect", "glue", "redshift", "tasks"]

  existing_groups = local.own ? {} : var.existing.security_group_ids
  group_ids       = merge({ for name, group in aws_security_group.this : name => group.id }, local.existing_groups)

  # 1433 is the gateway; the redirect policy then sends clients inside Azure's network to these
  # ports (Microsoft: "Azure SQL connectivity architecture").
  to_azure = var.azure_sql.egress == "none" ? {} : {
    for pair in setproduct(var.azure_sql.cidr_blocks, ["gateway", "redirect"]) : "${pair[1]} ${pair[0]}" => {
      cidr_block = pair[0]
      first_port = pair[1] == "gateway" ? 1433 : 11000
      last_port  = pair[1] == "gateway" ? 1433 : 11999
    }
  }

  # Prometheus reads the brokers' JMX (11001) and node (11002) exporters.
  from_prometheus = {
    for pair in setproduct(var.prometheus_security_group_ids, [11001, 11002]) : "${pair[0]} ${pair[1]}" =>
    { security_group_id = pair[0], port = pair[1] }
  }
}

resource "aws_security_group" "this" {
  for_each = { for name, says in local.groups : name => says if !contains(keys(local.existing_groups), name) }

  name                   = "${var.name}-${each.key}"
  description            = each.value
  vpc_id                 = local.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "flow" {
  for_each = local.flows

  security_group_id            = local.group_ids[each.value.from]
  referenced_security_group_id = local.group_ids[each.value.to]
  ip_protocol                  = "tcp"
  from_port                    = each.value.first_port
  to_port                      = each.value.last_port
  description                  = "${each.value.why} (${each.key})"
}

resource "aws_vpc_security_group_ingress_rule" "flow" {
  for_each = local.flows

  security_group_id            = local.group_ids[each.value.to]
  referenced_security_group_id = local.group_ids[each.value.from]
  ip_protocol                  = "tcp"
  from_port                    = each.value.first_port
  to_port                      = each.value.last_port
  description                  = "${each.value.why} (${each.key})"
}

# An existing VPC has a gateway endpoint of its own.
data "aws_prefix_list" "s3" {
  count = local.own ? 0 : 1

  name = "com.amazonaws.${var.region}.s3"
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each = toset(local.to_s3)

  security_group_id = local.group_ids[each.value]
  prefix_list_id    = local.own ? aws_vpc_endpoint.s3[0].prefix_list_id : data.aws_prefix_list.s3[0].id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "S3 through the gateway endpoint"
}

resource "aws_vpc_security_group_egress_rule" "azure_sql" {
  for_each = local.to_azure

  security_group_id = local.group_ids["connect"]
  cidr_ipv4         = each.value.cidr_block
  ip_protocol       = "tcp"
  from_port         = each.value.first_port
  to_port           = each.value.last_port
  description       = "Azure SQL Database (${split(" ", each.key)[0]})"
}

resource "aws_vpc_security_group_ingress_rule" "prometheus" {
  for_each = local.from_prometheus

  security_group_id            = local.group_ids["msk"]
  referenced_security_group_id = each.value.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "Open monitoring"
}

# ----------------------------------------------------------------------------------- endpoints

locals {
  endpoint_services = local.own ? setsubtract(var.interface_endpoints, var.unavailable_endpoints) : []

  only_this_account = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyPrincipalsOfThisAccount"
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}

resource "aws_vpc_endpoint" "s3" {
  count = local.own ? 1 : 0

  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for zone in local.zones : aws_route_table.private[zone].id]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyPrincipalsOfThisAccount"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = "*"
        Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
      },
      {
        # ECR keeps image layers in a bucket of AWS (ECR User Guide, "VPC endpoints").
        Sid       = "ImageLayers"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "arn:aws:s3:::prod-${var.region}-starport-layer-bucket/*"
      },
    ]
  })

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.endpoint_services

  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = local.private_subnet_ids
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  policy              = local.only_this_account

  tags = { Name = "${var.name}-${each.value}" }
}

# ----------------------------------------------------------------------------------- flow logs

resource "aws_cloudwatch_log_group" "flow" {
  count = local.own ? 1 : 0

  name              = "/${var.name}/flow-logs"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

resource "aws_flow_log" "this" {
  count = local.own ? 1 : 0

  vpc_id                   = aws_vpc.this[0].id
  traffic_type             = "ALL"
  max_aggregation_interval = 60
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn             = aws_iam_role.flow[0].arn

  tags = { Name = var.name }
}

resource "aws_iam_role" "flow" {
  count = local.own ? 1 : 0

  name                 = "${var.name}-flow-logs"
  description          = "VPC flow logs into their log group."
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flow" {
  count = local.own ? 1 : 0

  name = "write-flow-logs"
  role = aws_iam_role.flow[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WriteFlowLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.flow[0].arn}:*"
    }]
  })
}
