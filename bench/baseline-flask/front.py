"""The front end of the classic design: images as files, paths in MariaDB, a
mem-cache asked over HTTP."""

import base64
import os
import threading
import uuid

import pymysql
import requests
from flask import Flask, jsonify, request

FOLDER = os.environ["IMAGE_FOLDER"]
CACHE = os.environ["CACHE_URL"]
DATABASE = {
    "unix_socket": os.environ["DATABASE_SOCKET"],
    "user": os.environ.get("DATABASE_USER", "root"),
    "database": os.environ.get("DATABASE_NAME", "flask"),
    "autocommit": True,
}

app = Flask(__name__)
local = threading.local()


def database():
    """A connection for each thread, opened once."""
    if not hasattr(local, "database"):
        local.database = pymysql.connect(**DATABASE)
    return local.database


def cache(call, body):
    if not hasattr(local, "session"):
        local.session = requests.Session()
    return local.session.post(f"{CACHE}/{call}", json=body, timeout=10).json()


def failure(code, message):
    error = {"code": code, "message": message}
    return jsonify({"success": "false", "error": error}), code


@app.post("/api/upload")
def upload():
    key, file = request.form.get("key"), request.files.get("file")
    if not key or not file:
        return failure(400, "key and file are needed")
    location = os.path.join(FOLDER, uuid.uuid4().hex)
    file.save(location)
    with database().cursor() as cursor:
        cursor.execute(
            "INSERT INTO images (`key`, location) VALUES (%s, %s)"
            " ON DUPLICATE KEY UPDATE location = VALUES(location)",
            (key, location),
        )
    cache("invalidate", {"key": key})
    return jsonify({"success": "true", "key": key})


@app.post("/api/key/<path:key>")
def image(key):
    content = cache("get", {"key": key})
    if content == "Key Not Found":
        with database().cursor() as cursor:
            cursor.execute("SELECT location FROM images WHERE `key` = %s", (key,))
            row = cursor.fetchone()
        if row is None:
            return failure(404, "there is no such key")
        with open(row[0], "rb") as file:
            content = base64.b64encode(file.read()).decode()
        cache("put", {key: content})
    return jsonify({"success": "true", "key": key, "content": content})


@app.post("/api/list_keys")
def list_keys():
    with database().cursor() as cursor:
        cursor.execute("SELECT `key` FROM images")
        keys = [row[0] for row in cursor.fetchall()]
    return jsonify({"success": "true", "keys": keys})


@app.post("/api/delete_all")
def delete_all():
    with database().cursor() as cursor:
        cursor.execute("SELECT location FROM images")
        locations = [row[0] for row in cursor.fetchall()]
        cursor.execute("DELETE FROM images")
    for location in locations:
        os.remove(location)
    cache("clear", {})
    return jsonify({"success": "true"})
