"""The vendor's own package. It keeps its address in a public attribute, which is all that is changed."""

import json
import sys

from smsmobileapi import SMSSender

url, key, to, text = sys.argv[1:]
sender = SMSSender(api_key=key)
sender.api_url_send = url
answer = sender.send_message(to, text)
result = answer.get("result", {})
print(json.dumps({"id": result.get("id"), "error": result.get("error"), "sent": result.get("sent"), "fault": answer.get("error")}))
