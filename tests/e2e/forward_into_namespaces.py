#!/usr/bin/env python3
"""Lets processes in network namespaces reach servers on this machine's loopback, under the same addresses.

Each port is listened on at the loopback of each namespace, and what comes there goes to the same port of this machine's
own loopback. Prints `ready`, and ends when its standard input does.
"""

import argparse
import asyncio
import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000
LOOPBACK = "127.0.0.1"
CHUNK = 64 * 1024


def enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def listeners(namespaces: list[str], ports: list[int]) -> list[tuple[int, socket.socket]]:
    """A socket stays in the namespace in which it was made, whoever uses it."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    made = []
    for name in namespaces:
        namespace = os.open(f"/run/netns/{name}", os.O_RDONLY)
        enter(namespace)
        made += [(port, socket.create_server((LOOPBACK, port), backlog=128)) for port in ports]
        enter(home)
        os.close(namespace)
    os.close(home)
    return made


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def forward(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        to_reader, to_writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))
    for one in (writer, to_writer):
        one.close()


async def serve(made: list[tuple[int, socket.socket]]) -> None:
    # The loop keeps no hold on its servers.
    servers = [
        await asyncio.start_server(lambda reader, writer, port=port: forward(port, reader, writer), sock=listener)
        for port, listener in made
    ]
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ports", type=int, nargs="+", required=True)
    parser.add_argument("--namespaces", nargs="+", required=True, metavar="NAME")
    options = parser.parse_args()
    made = listeners(options.namespaces, options.ports)
    asyncio.run(serve(made))
    # Connections that are open must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
