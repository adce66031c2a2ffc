"""Holds a connection with the `websockets` library, which pings by itself, and then sends one message.

Arguments: URL, access token, chat id, how many heartbeats of the gateway to live through. Prints the ack, and the code with
which the connection was closed.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect

PATIENCE_SECS = 15


async def main(url: str, token: str, chat_id: str, heartbeats: int) -> None:
    protocols = ["godwit.v1.json", f"bearer.{token}"]
    async with connect(url, subprotocols=protocols, ping_interval=0.5, ping_timeout=PATIENCE_SECS) as socket:
        heard = 0
        async for text in socket:
            frame = json.loads(text)
            if "ack" in frame:
                print(json.dumps(frame))
                break
            if "ping" in frame:
                heard += 1
                await asyncio.wait_for(await socket.ping(), PATIENCE_SECS)
                if heard == heartbeats:
                    message = {"chat_id": chat_id, "client_message_id": "websockets", "text": "still here"}
                    await socket.send(json.dumps({"id": "1", "send_message": message}))
    print(socket.close_code)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
