"""zeep."""

import json
import sys

import zeep

url, key, to, text = sys.argv[1:]
client = zeep.Client(url)
try:
    result = client.service.sendSms(recipients=to, message=text, apikey=key)
    print(json.dumps({"id": result.id, "error": result.error, "sent": result.sent, "fault": None}))
except zeep.exceptions.Fault as fault:
    print(json.dumps({"fault": fault.message}))
