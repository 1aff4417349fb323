// SMSGate's own npm package, by its documented calls. Its file is an ES module that does not say so, which Node.js 18 takes only this way.
const fs = require("fs");
const [url, login, password, hook, to, text] = process.argv.slice(2);
const source = fs.readFileSync(require.resolve("android-sms-gateway"));

async function call(method, target, headers, body) {
  const answer = await fetch(target, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status });
  return answer.status === 204 ? undefined : answer.json();
}
const http = {
  get: (target, headers) => call("GET", target, headers),
  post: (target, body, headers) => call("POST", target, headers, body),
  put: (target, body, headers) => call("PUT", target, headers, body),
  patch: (target, body, headers) => call("PATCH", target, headers, body),
  delete: (target, headers) => call("DELETE", target, headers),
};
const failed = error => ({ failed: error.status });

import("data:text/javascript;base64," + source.toString("base64")).then(async ({ default: Client, WebHookEventType }) => {
  const client = new Client(login, password, http, url);
  const said = { health: await client.getHealth(), devices: await client.getDevices() };
  await client.patchSettings({ messages: { sendIntervalMin: 0, limitPeriod: "PerDay", limitValue: 5000 } });
  said.settings = await client.getSettings();
  await client.updateSettings(said.settings);
  said.webhook = await client.registerWebhook({ url: hook, event: WebHookEventType.SmsDelivered });
  said.webhooks = await client.getWebhooks();
  const message = { id: "npm", message: text, phoneNumbers: [to], ttl: 3600, simNumber: 1, withDeliveryReport: true };
  said.sent = await client.send(message, { skipPhoneValidation: false });
  said.twice = await client.send(message).catch(failed);
  for (let tries = 0; tries < 100; tries++) {
    said.state = await client.getState("npm");
    if (said.state.state === "Delivered") break;
    await new Promise(done => setTimeout(done, 100));
  }
  const until = new Date();
  await client.exportInbox({ deviceId: said.devices[0].id, since: new Date(until - 3600e3), until });
  said.logs = await client.getLogs().catch(failed);
  await client.deleteWebhook(said.webhook.id);
  said.left = await client.getWebhooks();
  console.log(JSON.stringify(said));
});
