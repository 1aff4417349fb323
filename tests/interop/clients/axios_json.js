// axios, which posts JSON, as the vendor's page shows it.
const axios = require("axios");
const [url, apikey, recipients, message] = process.argv.slice(2);
axios.post(url, {recipients, message, apikey})
.then(r => {
  const { id, error, sent } = r.data.result;
  console.log(JSON.stringify({ id, error, sent, fault: null }));
}).catch(failure => {
  if (!failure.response) throw failure;
  console.log(JSON.stringify({ fault: `${failure.message}: ${failure.response.data.result.error}` }));
});
