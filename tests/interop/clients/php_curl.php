<?php
// PHP's curl extension, a form POST.
[, $url, $key, $to, $text] = $argv;
$call = curl_init($url);
curl_setopt($call, CURLOPT_POSTFIELDS, http_build_query(["recipients" => $to, "message" => $text, "apikey" => $key]));
curl_setopt($call, CURLOPT_RETURNTRANSFER, true);
$result = json_decode(curl_exec($call), true)["result"];
$fault = $result["error"] === 0 ? null : $result["error"];
echo json_encode(["id" => $result["id"] ?? null, "error" => $result["error"], "sent" => $result["sent"], "fault" => $fault]), "\n";
