"""suds-community."""

import json
import sys

import suds
from suds.client import Client

url, key, to, text = sys.argv[1:]
client = Client(url, cache=None)
try:
    result = client.service.sendSms(recipients=to, message=text, apikey=key)
    print(json.dumps({"id": str(result.id), "error": int(result.error), "sent": str(result.sent), "fault": None}))
except suds.WebFault as fault:
    print(json.dumps({"fault": str(fault.fault.faultstring)}))
