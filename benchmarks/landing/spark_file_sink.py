# Reference peer, kept as it was first measured (the project's own, MIT): change ours, not this.
"""Stock PySpark: Kafka source to the Parquet file sink, raw, availableNow. JARS is the folder with the Kafka connector jars."""
import glob, sys, time
from pyspark.sql import SparkSession

servers, topic, out, jars = sys.argv[1:5]
started = time.time()
spark = (SparkSession.builder.master("local[2]").config("spark.jars", ",".join(glob.glob(f"{jars}/*.jar"))).config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
         .config("spark.sql.parquet.compression.codec", "zstd").getOrCreate())
pid = spark._jvm.java.lang.ProcessHandle.current().pid()


def cpu_seconds():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


before, streaming = cpu_seconds(), time.time()
events = spark.readStream.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", topic).option("startingOffsets", "earliest").load()
query = events.writeStream.format("parquet").option("path", out).option("checkpointLocation", out + ".checkpoint").trigger(availableNow=True).start()
query.awaitTermination()
landed = sum(p["numInputRows"] for p in query.recentProgress)
stream, whole = cpu_seconds() - before, cpu_seconds()
print(f"stock PySpark: {landed} events, {landed / stream:,.0f} per CPU-second streaming, {landed / whole:,.0f} with start-up, {landed / (time.time() - streaming):,.0f} per second, start-up {streaming - started:.1f} s")
