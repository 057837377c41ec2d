# What runs inside the VPC: dbt on Redshift, topics, playbooks. Landing runs on Glue and is not here.
# Build: lakehouse/delivery/build_image.sh, which gives RELEASE and PYTHON_DIGEST.
# The steps are scripts that `make test` runs as they are (tests/infra/workflows/test_image.py).
ARG PYTHON=3.11.16-slim-bookworm
# Without it the line below names no image: what a tag means changes.
ARG PYTHON_DIGEST

FROM python:${PYTHON}@${PYTHON_DIGEST} AS packages
COPY requirements/image.txt infra/image/install_packages.sh /build/
RUN /build/install_packages.sh /opt/python /build/image.txt

FROM python:${PYTHON}@${PYTHON_DIGEST}
COPY --from=packages /opt/python /opt/python
WORKDIR /opt/lakehouse
COPY . .
RUN infra/image/install_project.sh /opt/python /opt/lakehouse
# A task's writable folder belongs to root and to nobody else, unless the image declares it and says whose it is (Amazon ECS Developer
# Guide, "Use bind mounts with Amazon ECS").
RUN ["chown", "10001:10001", "/tmp"]
VOLUME ["/tmp"]

ARG RELEASE
# dbt and Ansible write into /tmp only: the root file system of the tasks is read-only.
ENV PATH=/opt/python/bin:$PATH \
    LAKEHOUSE_RELEASE=$RELEASE \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    DBT_PROFILES_DIR=/opt/lakehouse \
    DBT_TARGET_PATH=/tmp/target \
    DBT_LOG_PATH=/tmp/logs \
    ANSIBLE_CONFIG=/opt/lakehouse/infra/ansible/ansible.cfg \
    ANSIBLE_LOCAL_TEMP=/tmp/ansible
USER 10001:10001
RUN ["infra/image/check.sh"]
CMD ["lakehouse", "--help"]
