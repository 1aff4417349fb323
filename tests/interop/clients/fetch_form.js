// Node's own fetch with URLSearchParams, as the vendor's page shows it.
const [url, apikey, recipients, message] = process.argv.slice(2);
const data = { recipients, message, apikey };
fetch(url,{method:"POST",headers:{"Content-Type":"application/x-www-form-urlencoded"},body:new URLSearchParams(data)})
.then(r=>r.text()).then(body => {
  const { id, error, sent } = JSON.parse(body).result;
  console.log(JSON.stringify({ id, error, sent, fault: error === 0 ? null : error }));
});
