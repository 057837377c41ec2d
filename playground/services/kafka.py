"""A Kafka broker: KRaft, one node, broker and controller in one process."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from playground.services.errors import ServiceError
from playground.services.java import java_command
from playground.services.process import LOOPBACK, Process, free_port, kept_port, listens

# Landing's tests send records of 8 MB; one node cannot replicate, and transactions need their own
# topic on it. Topics are made from the declarations, so a misspelt one must fail.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "message.max.bytes": "10485760",
    "replica.fetch.max.bytes": "10485760",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.segment.delete.delay.ms": "1000",
    # A killed broker may come back only when its old session has expired.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "500",
}
INTERNAL_TOPICS = {"__consumer_offsets", "__transaction_state", "__share_group_state"}


class KafkaBroker:
    """A broker with its data in `directory`; the port stays the same when it is started again."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.port = kept_port(directory)
        self._directory = directory.absolute()
        self._controller_port = free_port()
        self._properties = self._directory / "server.properties"
        self.process = Process(
            "Kafka",
            java_command("kafka", "kafka.Kafka", str(self._properties), heap_megabytes=512),
            log=log,
        )

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        """Where it keeps the logs of its partitions, a folder each."""
        return self._directory / "data"

    def start(self) -> None:
        """Format the storage if need be, and start; does not wait for it to be ready."""
        data = self.data
        data.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS | {
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},"
            f"CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "log.dirs": str(data),
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        self._properties.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if not (data / "meta.properties").exists():
            self._format()
        self.process.start()

    def wait_until_ready(self) -> None:
        """Return when it answers for its metadata; ServiceError when it does not."""
        self.process.wait_until(self._answers, seconds=60)

    def stop(self) -> None:
        """Stop in order; what it holds stays."""
        self.process.stop()

    def kill(self) -> None:
        """`kill -9`; `restart` brings it back."""
        self.process.kill()

    def restart(self) -> None:
        """Start again on the same port with the same data, and wait until it answers."""
        self.process.stop()
        self.start()
        self.wait_until_ready()

    def delete_all_topics(self) -> None:
        """Delete every topic but the broker's own, with all they hold."""
        topics = Topics(Settings.from_environment(self.environment()))
        topics.delete(name for name in topics.names() if name not in INTERNAL_TOPICS)

    def environment(self) -> dict[str, str]:
        """The variables that point the project's programs at this broker."""
        return {
            "LAKEHOUSE_KAFKA_AUTH": "none",
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
        }

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", f"--cluster-id={cluster_id}", "-c", str(self._properties)]
        formatted = subprocess.run(
            java_command("kafka", "kafka.tools.StorageTool", *arguments, heap_megabytes=128),
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise ServiceError(
                f"Kafka's storage in {self._directory} could not be formatted:\n"
                f"{formatted.stdout}{formatted.stderr}"
            )

    def _answers(self) -> bool:
        if not listens(self.port):
            return False
        try:
            # It tries for as long as the object lives, and would print each refusal.
            AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0}).list_topics(
                timeout=5
            )
        except KafkaException:
            return False
        return True
