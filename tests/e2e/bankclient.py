"""A client of bankd in Python, written from proto/PROTOCOL.md alone.

    with Client("ipc:///path/bankd.sock") as bank:
        bank.login("finance@test.com", "test123")
        bank.call("account.list", limit=10)

Fields of the request are keyword arguments; one whose name is a word of Python goes into a dict:
call("kpi.summary", {"from": 0}). Ids are 16 bytes; uuid7() makes them.
"""
import os
import time

import msgpack
import zmq

VERSION = 1


class BankError(Exception):
    """A refusal, with what the server says about it."""

    def __init__(self, error):
        super().__init__(f"{error['name']} {error.get('field', '')}: {error.get('text', '')}")
        self.name = error["name"]
        self.cls = error["class"]
        self.what = error["what"]
        self.not_done = error["not_done"]
        self.next = error["next"]
        self.field = error.get("field", "")
        self.text = error.get("text", "")
        self.retry_after_ms = error.get("retry_after_ms", 0)


def uuid7(ms=None):
    """16 bytes: 48 bits of milliseconds, the version, the variant and random bits."""
    ms = time.time_ns() // 1_000_000 if ms is None else ms
    tail = bytearray(os.urandom(10))
    tail[0] = 0x70 | tail[0] & 0x0F
    tail[2] = 0x80 | tail[2] & 0x3F
    return ms.to_bytes(6, "big") + bytes(tail)


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def unpack(data):
    return msgpack.unpackb(data, raw=False, strict_map_key=True)


def connect(kind, endpoint, server_key=None):
    """A socket; with CURVE when the server's public key (40 characters of Z85) is given."""
    socket = zmq.Context.instance().socket(kind)
    socket.linger = 0
    socket.sndtimeo = 30000  # a connection that was refused for good has nowhere to send to
    if server_key:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_serverkey = server_key.encode()
    socket.connect(endpoint)
    return socket


class Events:
    """The events of one session."""

    def __init__(self, endpoint, topic, server_key=None):
        self.topic = topic.encode()
        self.socket = connect(zmq.SUB, endpoint, server_key)
        self.socket.subscribe(self.topic)

    def next(self, timeout):
        """(name, body) of the next event; None when none came within `timeout` seconds."""
        if not self.socket.poll(max(0, int(timeout * 1000))):
            return None
        topic, data = self.socket.recv_multipart()
        event = unpack(data)
        assert topic == self.topic and event["v"] == VERSION
        return event["event"], event["body"]

    def wait(self, wanted, timeout):
        """The body of the next event called `wanted`; others are passed over."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            event = self.next(left)
            if event and event[0] == wanted:
                return event[1]
        return None

    def close(self):
        self.socket.close()


class Client:
    """One connection; after login, one session."""

    def __init__(self, endpoint, server_key=None, timeout=30):
        self.endpoint = endpoint
        self.server_key = server_key
        self.timeout = timeout
        self.socket = connect(zmq.DEALER, endpoint, server_key)
        self.token = None
        self.session = None
        self.last_id = 0
        self.waiting = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, op, body=None, **fields):
        """Sends a request without waiting; returns its id."""
        self.last_id += 1
        request = {"v": VERSION, "id": self.last_id, "op": op, "body": {**(body or {}), **fields}}
        if self.token is not None:
            request["token"] = self.token
        self.socket.send(pack(request))
        return self.last_id

    def receive(self, timeout=None):
        """The next reply as it is, whichever request it answers."""
        timeout = self.timeout if timeout is None else timeout
        if not self.socket.poll(int(timeout * 1000)):
            raise TimeoutError(f"no answer from {self.endpoint} within {timeout} s")
        return unpack(self.socket.recv())

    def result(self, request_id):
        """The body of the reply to a request that was sent, or BankError."""
        while request_id not in self.waiting:
            reply = self.receive()
            self.waiting[reply["id"]] = reply
        reply = self.waiting.pop(request_id)
        assert reply["v"] == VERSION
        if not reply["ok"]:
            raise BankError(reply["error"])
        return reply["body"]

    def call(self, op, body=None, **fields):
        return self.result(self.send(op, body, **fields))

    def login(self, email, password):
        self.session = self.call("session.login", email=email, password=password)
        self.token = self.session["token"]
        return self.session

    def events(self, endpoint):
        return Events(endpoint, self.session["event_topic"], self.server_key)

    def pages(self, op, body=None, **fields):
        """The items of every page of a list."""
        cursor = {}
        while True:
            page = self.call(op, {**(body or {}), **cursor}, **fields)
            yield from page["items"]
            if "next" not in page:
                return
            cursor = {"cursor": page["next"]}
