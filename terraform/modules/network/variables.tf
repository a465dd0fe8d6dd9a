variable "name" {
  description = "Name prefix of the job's resources."
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
  description = "Private subnets of the job; interface endpoints get an address in one subnet of each zone."
  type        = list(string)
}

variable "kafka_ports" {
  description = "Ports of the brokers."
  type        = list(number)
}

variable "kafka_security_group_id" {
  description = "Security group of the brokers. If it is empty, the job may connect to the whole VPC on these ports, and you add the brokers' rule."
  type        = string
}

variable "create_vpc_endpoints" {
  description = "Whether to create VPC endpoints. If not, HTTPS may go anywhere, through the NAT of the subnets."
  type        = bool
}

variable "interface_endpoints" {
  description = "Services that the job calls through interface endpoints."
  type        = list(string)
}

variable "route_table_ids" {
  description = "Route tables that get gateway endpoints for S3 and DynamoDB. Empty if they have them."
  type        = list(string)
}
