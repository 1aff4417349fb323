"""requests. Style: form, json, multipart or get."""

import json
import sys

import requests

url, key, to, text, style = sys.argv[1:]
fields = {"recipients": to, "message": text, "apikey": key}
answer = {
    "form": lambda: requests.post(url, data=fields),
    "json": lambda: requests.post(url, json=fields),
    "multipart": lambda: requests.post(url, files={name: (None, value) for name, value in fields.items()}),
    "get": lambda: requests.get(url, params=fields),
}[style]()
result = answer.json()["result"]
print(json.dumps({"id": result.get("id"), "error": result["error"], "sent": result["sent"], "fault": result["error"] or None}))
