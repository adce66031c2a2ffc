#!/usr/bin/env python3
"""Counts the messages of each chat exactly once.

Reads the topic godwit.chat.updates.v1 and keeps counts in SQLite. What was read and what was counted are committed in
one transaction, so a crash at any instant neither loses a message nor counts one twice; the offsets that Kafka keeps
for the group are not used. Several processes may share one database: Kafka divides the partitions among them, and a
process that has lost one without knowing finds that its offset is not the next any more, and counts nothing of it.
"""

import argparse
import base64
import fcntl
import json
import logging
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
GENERATED = HERE / "generated"
TOPIC = "godwit.chat.updates.v1"
# Records of one transaction, and how long the first of them waits for others.
BATCH_MAX = 500
BATCH_WAIT_S = 0.5
# A process that says nothing for so long has lost its partitions.
SESSION_TIMEOUT_MS = 10_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS offsets (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
-- Every message that was seen. A deleted one stays, so that an older record that comes again does not bring it back.
CREATE TABLE IF NOT EXISTS messages (
    chat_id TEXT NOT NULL, seq INTEGER NOT NULL, is_deleted INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (chat_id TEXT PRIMARY KEY, messages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deleted_chats (chat_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

log = logging.getLogger("analytics")


class LostPartition(Exception):
    """Another process has gone on with a partition."""


def generate() -> None:
    """Makes the Python classes of proto/ when they are older than it, or are not there."""
    sources = sorted((PROTO / "godwit" / "v1").glob("*.proto"))
    stamp = GENERATED / ".stamp"
    if stamp.exists() and stamp.stat().st_mtime >= max(source.stat().st_mtime for source in sources):
        return
    GENERATED.mkdir(exist_ok=True)
    names = [str(source.relative_to(PROTO)) for source in sources]
    # One process after the other, should several be started at once.
    with open(GENERATED / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={GENERATED}", *names], check=True
        )
        stamp.touch()


def load_update_class():
    """godwit.v1.Update."""
    sys.path.insert(0, str(GENERATED))
    from godwit.v1 import update_pb2

    return update_pb2.Update


def open_database(path: str) -> sqlite3.Connection:
    """Opens the counts; transactions are begun by hand."""
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode = WAL")
    # A commit that was answered survives a loss of power.
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    return database


class Counter:
    """The counts, and the rules by which records change them."""

    def __init__(self, database: sqlite3.Connection, update_class) -> None:
        self.database = database
        self.update_class = update_class

    def next_offset(self, topic: str, partition: int) -> int:
        """The first offset of a partition that is not counted."""
        row = self.database.execute(
            "SELECT next_offset FROM offsets WHERE topic = ? AND partition = ?", (topic, partition)
        ).fetchone()
        return row[0] if row else OFFSET_BEGINNING

    def take(self, records: list[Message]) -> None:
        """Counts records of one partition, in their order, in one transaction.

        Raises LostPartition when another process has counted the first of them.
        """
        first, last = records[0], records[-1]
        self.database.execute("BEGIN IMMEDIATE")
        try:
            known = self.next_offset(first.topic(), first.partition())
            if known != OFFSET_BEGINNING and known > first.offset():
                raise LostPartition(f"partition {first.partition()} has been counted up to {known}")
            for record in records:
                self.count(record.value())
            self.database.execute(
                "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
                (last.topic(), last.partition(), last.offset() + 1),
            )
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def count(self, payload: bytes | None) -> None:
        """Counts one record. Records may come again, old ones after new ones."""
        update = self.update_class()
        try:
            update.ParseFromString(payload or b"")
        except Exception:
            log.warning("a record that is no update is passed over")
            return
        change = update.WhichOneof("change")
        if change == "message_created":
            message = update.message_created.message
            if message.is_deleted:
                self.delete(message.chat_id, message.seq)
            else:
                self.add(message.chat_id, message.seq)
        elif change == "message_deleted":
            # Of the message's address only the chat is in plain sight; its last 8 bytes are the seq.
            self.delete(update.chat_id, seq_of(update.message_deleted.message_id))
        elif change == "chat_deleted":
            self.delete_chat(update.chat_id)
        # Whatever else there is, also what is yet to come, changes no count.

    def add(self, chat_id: str, seq: int) -> None:
        if self.database.execute("SELECT 1 FROM deleted_chats WHERE chat_id = ?", (chat_id,)).fetchone():
            return
        added = self.database.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, 0)", (chat_id, seq)).rowcount
        self.change(chat_id, added)

    def delete(self, chat_id: str, seq: int) -> None:
        if self.database.execute("SELECT 1 FROM deleted_chats WHERE chat_id = ?", (chat_id,)).fetchone():
            return
        known = self.database.execute(
            "SELECT is_deleted FROM messages WHERE chat_id = ? AND seq = ?", (chat_id, seq)
        ).fetchone()
        self.database.execute("INSERT OR REPLACE INTO messages VALUES (?, ?, 1)", (chat_id, seq))
        if known == (0,):
            self.change(chat_id, -1)

    def delete_chat(self, chat_id: str) -> None:
        self.database.execute("INSERT OR IGNORE INTO deleted_chats VALUES (?)", (chat_id,))
        self.database.execute("DELETE FROM messages WHERE chat_id = ?", (chat_id,))
        self.database.execute("DELETE FROM counts WHERE chat_id = ?", (chat_id,))

    def change(self, chat_id: str, by: int) -> None:
        if by:
            self.database.execute(
                "INSERT INTO counts VALUES (?, ?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
                (chat_id, by),
            )


def seq_of(message_id: str) -> int:
    """The seq in a message's id: the last 8 of the 24 bytes that it writes in base64url."""
    return int.from_bytes(base64.urlsafe_b64decode(message_id)[16:], "big")


def consume(arguments: argparse.Namespace) -> None:
    """Counts until the process is told to stop."""
    generate()
    counter = Counter(open_database(arguments.database), load_update_class())
    topic = arguments.topic_prefix + TOPIC
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": arguments.topic_prefix + arguments.group,
            "enable.auto.commit": False,
            # Only for offsets that are not kept any more: where to begin stands in the database.
            "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "topic.metadata.refresh.interval.ms": 5_000,
        }
    )

    def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            partition.offset = counter.next_offset(partition.topic, partition.partition)
        consumer.assign(partitions)
        log.info("counts partitions %s", [partition.partition for partition in partitions])

    consumer.subscribe([topic], on_assign=assigned)
    stopping = False

    def stop(*_) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        while not stopping:
            take_batch(consumer, counter, consumer.consume(BATCH_MAX, BATCH_WAIT_S))
    finally:
        consumer.close()


def take_batch(consumer: Consumer, counter: Counter, records: list[Message]) -> None:
    """Counts what came, partition by partition."""
    by_partition: dict[int, list[Message]] = {}
    for record in records:
        error = record.error()
        if error is None:
            by_partition.setdefault(record.partition(), []).append(record)
        elif error.code() != KafkaError._PARTITION_EOF:
            if error.fatal():
                raise KafkaException(error)
            # A broker that is away, a topic that is not there yet: librdkafka goes on by itself.
            log.warning("%s", error)
    for partition, batch in by_partition.items():
        try:
            counter.take(batch)
        except LostPartition as lost:
            log.warning("%s; goes on there", lost)
            topic = batch[0].topic()
            consumer.seek(TopicPartition(topic, partition, counter.next_offset(topic, partition)))


def show(arguments: argparse.Namespace) -> None:
    """Prints the counts as one JSON object."""
    database = open_database(arguments.database)
    print(json.dumps(dict(database.execute("SELECT chat_id, messages FROM counts ORDER BY chat_id"))))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="counts.sqlite", help="where the counts are (default: %(default)s)")
    commands = parser.add_subparsers(required=True)
    consuming = commands.add_parser("consume", help="count until told to stop")
    consuming.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    consuming.add_argument("--topic-prefix", default="", help="as GODWIT_KAFKA_TOPIC_PREFIX")
    consuming.add_argument("--group", default="analytics.message-counts")
    consuming.set_defaults(run=consume)
    showing = commands.add_parser("show", help="print the counts as JSON")
    showing.set_defaults(run=show)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
