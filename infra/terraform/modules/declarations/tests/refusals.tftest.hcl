# Values that a module must not accept, each with the check that refuses it.

run "a_connector_that_nobody_declares" {
  command = plan

  variables {
    connector = "oracle"
  }

  expect_failures = [var.connector]
}
