# The key is that of the code (sequencer/checkpoint/dynamodb.py); DynamoDB declares no other attributes.
resource "aws_dynamodb_table" "this" {
  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "job_id"
  # deploy.sh --destroy disables this first, after the name of the job was confirmed.
  deletion_protection_enabled = true

  attribute {
    name = "job_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
