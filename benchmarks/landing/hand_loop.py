# Reference peer, kept as it was first measured (the project's own, MIT): change ours, not this.
"""What a person would write by hand: confluent-kafka to raw Parquet with pyarrow, one process, no commit protocol."""
import os, resource, sys, time
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, TopicPartition

servers, topic, out = sys.argv[1:4]
os.makedirs(out, exist_ok=True)
consumer = Consumer({"bootstrap.servers": servers, "group.id": f"hand{time.time()}", "enable.auto.commit": False, "auto.offset.reset": "earliest", "isolation.level": "read_committed",
                     "fetch.max.bytes": 64 << 20, "max.partition.fetch.bytes": 16 << 20, "queued.max.messages.kbytes": 1 << 18})
partitions = list(consumer.list_topics(topic).topics[topic].partitions)
total = sum(consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions)
consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
started, landed, files, held = time.time(), 0, 0, []


def write(messages, number):
    table = pa.table({"partition": pa.array([m.partition() for m in messages], pa.int32()), "offset": pa.array([m.offset() for m in messages], pa.int64()),
                      "timestamp": pa.array([m.timestamp()[1] for m in messages], pa.int64()), "key": pa.array([m.key() for m in messages], pa.binary()),
                      "value": pa.array([m.value() for m in messages], pa.binary())})
    pq.write_table(table, f"{out}/{number}.parquet", compression="zstd", use_dictionary=False)


while landed < total:
    batch = consumer.consume(50_000, 0.5)
    landed += len(batch)
    held += batch
    if len(held) >= 200_000 or (landed >= total and held):
        write(held, files)
        files, held = files + 1, []
usage = resource.getrusage(resource.RUSAGE_SELF)
cpu, wall = usage.ru_utime + usage.ru_stime, time.time() - started
print(f"hand loop: {landed} events, {landed / cpu:,.0f} per CPU-second, {landed / wall:,.0f} per second, {usage.ru_maxrss / 1e3:.0f} MB")
os._exit(0)
