# Every rule that tflint brings along. Those for AWS are a program that must be downloaded.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
