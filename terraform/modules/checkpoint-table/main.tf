# The key is the code's (sequencer/checkpoint/dynamodb.py); DynamoDB knows no other attribute ahead.
resource "aws_dynamodb_table" "this" {
  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "job_id"
  # deploy.sh --destroy takes this away first, when it was told the name of the job.
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
