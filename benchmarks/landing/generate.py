# Reference peer, kept as it was first measured (the project's own, MIT): change ours, not this.
"""Produce N Debezium-shaped change events (629 bytes on average) to a topic with 4 partitions."""
import json, random, sys, time
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
encode = json.JSONEncoder(separators=(",", ":")).encode
admin = AdminClient({"bootstrap.servers": servers})
for future in admin.create_topics([NewTopic(topic, 4, 1)]).values():
    future.result()
producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "batch.size": 1 << 20, "queue.buffering.max.messages": 2_000_000, "compression.type": "lz4", "enable.idempotence": True})
random.seed(1)
started, size = time.time(), 0
for i in range(count):
    key = i % 200_000
    row = {"order_id": i, "customer_id": key, "status": random.choice(["NEW", "PAID", "SHIPPED", "DONE"]), "amount": f"{random.random() * 1000:.2f}", "currency": "EUR", "store_id": i % 500,
           "email": f"user{key}@example.com", "city": "Berlin", "updated_at": 1_700_000_000_000_000 + i * 1000}
    value = encode({"before": None if i % 3 == 0 else row, "after": row, "op": "c" if i % 3 == 0 else "u", "ts_ms": 1_700_000_000_000 + i, "transaction": None,
                          "source": {"version": "3.6.1.Final", "connector": "postgresql", "name": "retail", "ts_ms": 1_700_000_000_000 + i, "snapshot": "false", "db": "retail",
                                     "sequence": f'["{i * 100}","{i * 100 + 50}"]', "schema": "public", "table": "orders", "txId": i // 5, "lsn": i * 100 + 50, "xmin": None}})
    size += len(value)
    while True:
        try:
            producer.produce(topic, value.encode(), key=str(key).encode())
            break
        except BufferError:
            producer.poll(0.05)
assert producer.flush(60) == 0, "not all events were delivered"
print(f"{count} events in {time.time() - started:.1f} s, {size / count:.0f} B mean")
