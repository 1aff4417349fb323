# Ruby's Net::HTTP, as the vendor's page shows it.
require "json"
require "net/http"
require "uri"
url, key, to, text = ARGV
uri = URI.parse(url)
req = Net::HTTP::Post.new(uri)
req.set_form_data({"recipients"=>to,"message"=>text,"apikey"=>key})
res = Net::HTTP.start(uri.hostname, uri.port){|http| http.request(req)}
result = JSON.parse(res.body)["result"]
fault = result["error"] == 0 ? nil : result["error"]
puts JSON.generate({id: result["id"], error: result["error"], sent: result["sent"], fault: fault})
