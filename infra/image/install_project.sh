#!/bin/sh
# Make the project's own command line and modules known to a Python environment.
# usage: install_project.sh <prefix> <project>
# The project stays where it is: dbt and the declarations are read from its folders.
set -eu
prefix=$1
project=$2

site_packages=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$project" >"$site_packages/retail_lakehouse.pth"
printf '#!%s\nfrom lakehouse.cli import main\nmain()\n' "$prefix/bin/python" >"$prefix/bin/lakehouse"
chmod 755 "$prefix/bin/lakehouse"
# The packages are in the project, so nothing is fetched.
"$prefix/bin/python" -m dbt.cli.main --quiet --log-level-file none \
    deps --project-dir "$project"
