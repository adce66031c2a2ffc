"""A mail server that delivers nowhere: every mail becomes one JSON file {"from", "to", "subject", "text"}.

usage: smtp_sink.py HOST PORT DIR
File names sort by arrival; a file appears whole or not at all.
"""

import asyncio
import email
import email.policy
import itertools
import json
import os
import signal
import sys
import time

from aiosmtpd.controller import UnthreadedController


class Sink:
    def __init__(self, directory):
        self.directory = directory
        self.numbers = itertools.count()

    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain", "html"))
        record = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(mail["subject"] or ""),
            "text": body.get_content() if body is not None else "",
        }
        name = f"{time.time_ns():020d}-{next(self.numbers):06d}.json"
        unfinished = os.path.join(self.directory, f".{name}")
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False)
        os.rename(unfinished, os.path.join(self.directory, name))
        return "250 OK"


def main():
    host, port, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    controller = UnthreadedController(Sink(directory), hostname=host, port=port, loop=loop)
    controller.begin()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, loop.stop)
    loop.run_forever()
    controller.end()


if __name__ == "__main__":
    main()
