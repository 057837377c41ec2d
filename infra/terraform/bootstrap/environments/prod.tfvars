# What prod's administrator applies bootstrap with. What both roots are told is told alike: ../environments/prod.tfvars.
environment          = "prod"
region               = "eu-central-1"
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"

# The persons who may take the role break-glass (docs/runbooks/break_glass.md); none: there is no such role.
# break_glass_principals = ["arn:aws:iam::<account>:user/<name>"]

# Replace it by the key_arn of infra/terraform/replica's output, as in ../environments/prod.tfvars.
replica_key_arn = "arn:aws:kms:eu-west-1:999988887777:key/00000000-0000-0000-0000-000000000000"
