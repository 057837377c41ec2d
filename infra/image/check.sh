#!/bin/sh
# Fail the build of an image in which something is missing: run each program once, from the project.
set -eu
lakehouse --version
lakehouse declarations check
lakehouse topics apply --help >/dev/null
python -m lakehouse.delivery --help >/dev/null
dbt --version >/dev/null
ansible-playbook --inventory infra/ansible/inventories/prod/hosts.yml --list-tasks \
    infra/ansible/playbooks/site.yml >/dev/null
