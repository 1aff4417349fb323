// npm soap.
const soap = require("soap");
const [url, key, to, text] = process.argv.slice(2);

async function main() {
  const client = await soap.createClientAsync(url);
  try {
    const [answer] = await client.sendSmsAsync({ recipients: to, message: text, apikey: key });
    const { id, error, sent } = answer.return;
    console.log(JSON.stringify({ id, error, sent, fault: null }));
  } catch (failure) {
    if (!failure.root) throw failure;
    console.log(JSON.stringify({ fault: failure.root.Envelope.Body.Fault.faultstring }));
  }
}

main();
