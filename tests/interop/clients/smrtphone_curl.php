<?php
// PHP's curl extension with an array for a body, which makes it multipart, as CRMs do it.
[, $url, $key, $from, $to, $text] = $argv;
$call = curl_init();
curl_setopt_array($call, array(
    CURLOPT_URL => $url,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_CUSTOMREQUEST => "POST",
    CURLOPT_POSTFIELDS => array("to" => $to, "from" => $from, "message" => $text),
    CURLOPT_HTTPHEADER => array("X-Auth-smrtPhone: $key"),
));
$body = curl_exec($call);
echo json_encode(["status" => curl_getinfo($call, CURLINFO_HTTP_CODE), "body" => $body]), "\n";
