"""Terraform with a fake AWS provider, and fakes of the AWS services that the plans name."""
