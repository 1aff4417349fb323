"""requests: a form, or with the style `raw` a body that nothing has escaped, as a flow tool sends it."""

import json
import sys

import requests

url, key, sender, to, text, *style = sys.argv[1:]
fields = {"from": sender, "to": to, "message": text}
headers = {"X-Auth-smrtPhone": key}
if style == ["raw"]:
    raw = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    answer = requests.post(url, data=raw, headers={**headers, "Content-Type": "application/x-www-form-urlencoded"}, timeout=20)
elif style == ["probe"]:
    answer = requests.post(url, headers=headers, timeout=20)
else:
    answer = requests.post(url, data=fields, headers=headers, timeout=20)
print(json.dumps({"status": answer.status_code, "body": answer.text}))
