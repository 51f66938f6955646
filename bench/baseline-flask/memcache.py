"""The mem-cache of the classic design: an LRU of base64 texts behind HTTP."""

import os
import threading
from collections import OrderedDict

from flask import Flask, jsonify, request

CAPACITY = int(os.environ.get("CACHE_BYTES", 256 << 20))

app = Flask(__name__)
lock = threading.Lock()
entries: OrderedDict[str, str] = OrderedDict()
size = 0


def drop(key):
    global size
    value = entries.pop(key, None)
    if value is not None:
        size -= len(value)


@app.post("/put")
def put():
    global size
    with lock:
        for key, value in request.get_json().items():
            drop(key)
            if len(value) > CAPACITY:
                continue
            entries[key] = value
            size += len(value)
            while size > CAPACITY:
                drop(next(iter(entries)))
    return jsonify("OK")


@app.post("/get")
def get():
    key = request.get_json()["key"]
    with lock:
        if key in entries:
            entries.move_to_end(key)
            return jsonify(entries[key])
    return jsonify("Key Not Found")


@app.post("/invalidate")
def invalidate():
    with lock:
        drop(request.get_json()["key"])
    return jsonify("OK")


@app.post("/clear")
def clear():
    global size
    with lock:
        entries.clear()
        size = 0
    return jsonify("OK")
