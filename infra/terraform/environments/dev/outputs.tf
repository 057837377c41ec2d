output "environment_file" {
  description = "Settings of dbt, Ansible, workflows and tasks, KEY=VALUE lines."
  value       = module.platform.environment_file
}

output "platform" {
  description = "Names, addresses and ARNs of this environment."
  value = {
    for key, value in module.platform : key => value if key != "environment_file"
  }
}
