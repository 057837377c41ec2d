# Until now the modules were called by a module of each environment: their resources stay what they are.

moved {
  from = module.platform.module.encryption
  to   = module.encryption
}

moved {
  from = module.platform.module.network
  to   = module.network
}

moved {
  from = module.platform.module.lake
  to   = module.lake
}

moved {
  from = module.platform.module.secrets
  to   = module.secrets
}

moved {
  from = module.platform.module.msk
  to   = module.msk
}

moved {
  from = module.platform.module.iam
  to   = module.iam
}

moved {
  from = module.platform.module.connect
  to   = module.connect
}

moved {
  from = module.platform.module.glue
  to   = module.glue
}

moved {
  from = module.platform.module.redshift
  to   = module.redshift
}

moved {
  from = module.platform.module.orchestration
  to   = module.orchestration
}

moved {
  from = module.platform.module.monitoring
  to   = module.monitoring
}

# The build's schedule is one of two since everything is tested once a week.
moved {
  from = module.orchestration.aws_scheduler_schedule.dbt_build
  to   = module.orchestration.aws_scheduler_schedule.dbt["build"]
}

# What fails is one map of rules.
moved {
  from = module.monitoring.aws_cloudwatch_event_rule.job_failed
  to   = module.monitoring.aws_cloudwatch_event_rule.failed["job-failed"]
}

moved {
  from = module.monitoring.aws_cloudwatch_event_target.job_failed
  to   = module.monitoring.aws_cloudwatch_event_target.failed["job-failed"]
}
