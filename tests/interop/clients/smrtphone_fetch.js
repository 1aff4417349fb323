// Node's own fetch with URLSearchParams.
const [url, key, from, to, message] = process.argv.slice(2);
const body = new URLSearchParams();
body.append("from", from);
body.append("to", to);
body.append("message", message);
fetch(url, { method: "POST", headers: { "X-Auth-smrtPhone": key }, body })
  .then(async answer => console.log(JSON.stringify({ status: answer.status, body: await answer.text() })));
