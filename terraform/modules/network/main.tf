# The job listens on no port: its security group has no ingress rule. It may connect to Kafka, and over HTTPS to the services
# that it calls, through VPC endpoints or through the NAT of the subnets.
data "aws_vpc" "this" {
  id = var.vpc_id
}

data "aws_subnet" "job" {
  for_each = toset(var.subnet_ids)

  id = each.value
}

data "aws_ec2_managed_prefix_list" "gateway" {
  for_each = local.gateways

  name = "com.amazonaws.${var.aws_region}.${each.value}"
}

# Read if this module creates no gateways: the tables must have them, or a default route.
data "aws_route_table" "job" {
  for_each = var.create_vpc_endpoints && length(var.route_table_ids) == 0 ? toset(var.subnet_ids) : toset([])

  subnet_id = each.value
}

locals {
  gateways = toset(["s3", "dynamodb"])
  # Images are stored in S3: without a route to it, no container starts.
  with_gateways = [
    for id, table in data.aws_route_table.job : id
    if alltrue([
      for gateway in local.gateways :
      contains(table.routes[*].destination_prefix_list_id, data.aws_ec2_managed_prefix_list.gateway[gateway].id)
    ])
  ]
  with_nat = [
    for id, table in data.aws_route_table.job : id
    if anytrue([for route in table.routes : route.cidr_block == "0.0.0.0/0" && !startswith(coalesce(route.gateway_id, "none"), "igw-")])
  ]
  cut_off_subnets     = setsubtract(keys(data.aws_route_table.job), concat(local.with_gateways, local.with_nat))
  interface_endpoints = var.create_vpc_endpoints ? toset(var.interface_endpoints) : toset([])
  # A VPC may have several blocks, and the brokers may be in any of them.
  vpc_cidrs   = toset([for block in data.aws_vpc.this.cidr_block_associations : block.cidr_block if block.state == "associated"])
  kafka_ports = toset([for port in var.kafka_ports : tostring(port)])
  kafka_ways = {
    for way in setproduct(local.kafka_ports, var.kafka_security_group_id == "" ? local.vpc_cidrs : [""]) :
    join(" ", compact(way)) => { port = tonumber(way[0]), cidr = way[1] }
  }
  # An interface endpoint is placed in one subnet of each zone and serves the others from there.
  endpoint_subnet_ids = [
    for ids in values({ for id in var.subnet_ids : data.aws_subnet.job[id].availability_zone_id => id... }) : ids[0]
  ]
}

resource "aws_security_group" "job" {
  name        = "${var.name}-job"
  description = "Sequencer job: no ingress, egress to Kafka and AWS only"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-job" }

  lifecycle {
    precondition {
      condition     = length(local.cut_off_subnets) == 0
      error_message = "route_table_ids is empty, and the route tables of ${join(", ", local.cut_off_subnets)} have no gateway endpoints for S3 and DynamoDB and no default route through a NAT, so no image could be pulled. List the tables in route_table_ids, which creates the endpoints."
    }
  }
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  for_each = local.kafka_ways

  security_group_id            = aws_security_group.job.id
  description                  = "Kafka"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = var.kafka_security_group_id == "" ? null : var.kafka_security_group_id
  cidr_ipv4                    = var.kafka_security_group_id == "" ? each.value.cidr : null
}

# The brokers' side of the connection. If their security group is not given, you add this rule.
resource "aws_vpc_security_group_ingress_rule" "kafka_from_job" {
  for_each = var.kafka_security_group_id == "" ? toset([]) : local.kafka_ports

  security_group_id            = var.kafka_security_group_id
  description                  = "From ${var.name}"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  referenced_security_group_id = aws_security_group.job.id
}

resource "aws_vpc_security_group_egress_rule" "gateway" {
  for_each = local.gateways

  security_group_id = aws_security_group.job.id
  description       = "HTTPS to ${each.value}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_ec2_managed_prefix_list.gateway[each.value].id
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  count = var.create_vpc_endpoints ? 1 : 0

  security_group_id            = aws_security_group.job.id
  description                  = "HTTPS to the VPC endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.endpoints[0].id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count = var.create_vpc_endpoints ? 0 : 1

  security_group_id = aws_security_group.job.id
  description       = "HTTPS to the public endpoints of AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

# With private DNS the endpoints serve the whole VPC: a workload that they refuse cannot reach the service at all.
resource "aws_security_group" "endpoints" {
  count = var.create_vpc_endpoints ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "VPC endpoints of ${var.name}: HTTPS from the VPC"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_vpc" {
  for_each = var.create_vpc_endpoints ? local.vpc_cidrs : toset([])

  security_group_id = aws_security_group.endpoints[0].id
  description       = "HTTPS from the VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${var.aws_region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.endpoint_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  tags                = { Name = "${var.name}-${each.value}" }
}

# A route table can have one gateway endpoint for each service: leave route_table_ids empty if it has them.
resource "aws_vpc_endpoint" "gateway" {
  for_each = var.create_vpc_endpoints && length(var.route_table_ids) > 0 ? local.gateways : toset([])

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.aws_region}.${each.value}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  tags              = { Name = "${var.name}-${each.value}" }
}
