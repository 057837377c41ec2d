# What qa's administrator applies bootstrap with. What both roots are told is told alike: ../environments/qa.tfvars.
environment          = "qa"
region               = "eu-central-1"
account_ids          = ["<account>"]
github_repository    = "example-org@987654321/retail-lakehouse@123456789"
github_repository_id = "123456789"

# The persons who may take the role break-glass (docs/runbooks/break_glass.md); none: there is no such role.
# break_glass_principals = ["arn:aws:iam::<account>:user/<name>"]

# An account has one: false for its second environment.
# create_oidc_provider = false
