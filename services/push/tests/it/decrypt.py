"""Decrypts a Web Push (RFC 8291) with http_ece: keys and body come as JSON, in base64url; the text goes out."""

import base64
import json
import sys

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


given = json.loads(sys.argv[1])
key = ec.derive_private_key(int.from_bytes(decode(given["private_key"]), "big"), ec.SECP256R1())
text = http_ece.decrypt(
    decode(given["body"]), private_key=key, auth_secret=decode(given["auth"]), version="aes128gcm"
)
sys.stdout.buffer.write(text)
