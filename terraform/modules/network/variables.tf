variable "name" {
  description = "Name of everything that belongs to the job."
  type        = string
}

variable "aws_region" {
  description = "Region of the endpoints."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the job and of Kafka."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the job; the interface endpoints get an address in one of each zone."
  type        = list(string)
}

variable "kafka_ports" {
  description = "Ports of the brokers."
  type        = list(number)
}

variable "kafka_security_group_id" {
  description = "Security group of the brokers; empty: the whole VPC on these ports, and the brokers' rules are yours."
  type        = string
}

variable "create_vpc_endpoints" {
  description = "Make VPC endpoints; false: HTTPS may go anywhere, through the NAT of the subnets."
  type        = bool
}

variable "interface_endpoints" {
  description = "Services that are called through interface endpoints."
  type        = list(string)
}

variable "route_table_ids" {
  description = "Route tables that get gateway endpoints for S3 and DynamoDB; empty: they have them."
  type        = list(string)
}
