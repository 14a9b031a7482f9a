"""What the supervisor needs of a service and no more: migrate, serve /readyz, end on SIGTERM."""

import asyncio
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import asyncpg

TABLES = """
    create table if not exists partition_offset (topic text, partition int, next_offset bigint);
    create table if not exists outbox (seq bigint, published_at timestamptz);
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": True, "checks": {}, "pid": os.getpid()}).encode())

    def log_message(self, *_: object) -> None:
        pass


async def migrate() -> None:
    connection = await asyncpg.connect(os.environ["HEARDBACK_DATABASE_URL"])
    await connection.execute(TABLES)
    await connection.close()


if "STAND_IN_REFUSES" in os.environ and "migrate" not in sys.argv:
    sys.exit("programs/bad.yaml, line 3: no such touchpoint")
if "migrate" in sys.argv:
    asyncio.run(migrate())
else:
    port = int(os.environ["HEARDBACK_HTTP_PORT"])
    print("serving", flush=True)
    HTTPServer((os.environ["HEARDBACK_HTTP_HOST"], port), Handler).serve_forever()
